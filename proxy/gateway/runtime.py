"""What a configuration comes to: one frozen object that every connection reads and none changes."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from proxy.auth.decision import Decider
from proxy.config.values import Network
from proxy.gateway.pool import Pool
from proxy.http1.grammar import Limits
from proxy.http1.outbound import LOCAL


class Timeouts(NamedTuple):
    """In seconds, on the client's side. A deadline may be two ticks late. It is early by
    no more than what the event loop stood still."""

    head: float
    """For a whole head, from its first byte, and for the first byte of a connection."""
    keepalive: float
    """Between requests."""
    body_idle: float
    body_min_rate: float
    """Bytes a second that a body brings at least, over `body_window`."""
    stalled_reader: float
    tunnel_idle: float
    body_window: float = 30.0
    expect: float = 1.0
    """Until a client that waits for 100 is told to go on, where the upstream says nothing
    (RFC 9110 section 10.1.1)."""
    half_closed: float = 60.0
    """For a tunnel of which one side has ended, without a byte from the other."""
    linger: float = 2.0
    """For a client to read a last answer and close; what it still sends is thrown away."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """Everything that the configuration says about the data path."""

    generation: int
    """Of the configuration: what was worked out with another one is worked out anew."""
    limits: Limits
    timeouts: Timeouts
    body_size: int | None
    """The most bytes that a request's body may have; None: any number."""
    decider: Decider
    pools: Mapping[str, Pool]
    """By the upstream's name."""
    trusted_proxies: Sequence[Network]

    def is_trusted(self, address: str) -> bool:
        """Whether what this address says of its own client counts."""
        networks = self.trusted_proxies
        if not networks or address == LOCAL:
            return False
        ip = ipaddress.ip_address(address.partition("%")[0])
        return any(ip in network for network in networks)
