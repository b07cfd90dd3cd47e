"""The configuration of the data path: one frozen object that all connections share."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from proxy.auth.decision import Decider
from proxy.config.values import Network
from proxy.gateway.balancer import Balancer
from proxy.gateway.pool import Pool
from proxy.http1.fields import RequestTable
from proxy.http1.forwarding import LOCAL
from proxy.http1.head_scan import Limits
from proxy.http1.original import Convention


class Timeouts(NamedTuple):
    """Timeouts of the client's side, in seconds. A deadline may come two ticks late. It is early by
    no more than the time that the event loop stood still."""

    head: float
    """For a whole head from its first byte on, and for the first byte of a connection."""
    keepalive: float
    """Between requests."""
    body_idle: float
    body_min_rate: float
    """The lowest rate of a body, in bytes a second over `body_window`."""
    stalled_reader: float
    tunnel_idle: float
    tunnel_drain: float
    """For a tunnel without a byte while the gateway is stopping."""
    body_window: float = 30.0
    expect: float = 1.0
    """Until a client that waits for 100 (Continue) gets it, where the upstream sends nothing
    (RFC 9110 section 10.1.1)."""
    half_closed: float = 60.0
    """For a tunnel of which one side is closed, without a byte from the other side."""
    linger: float = 2.0
    """For a client that has sent its request to read the last response and close."""
    lingering_time: float = 30.0
    """For a client that is still sending when its response is written (nginx: 30)."""
    lingering_timeout: float = 5.0
    """The same, while it sends nothing (nginx: 5)."""


@dataclass(frozen=True, slots=True)
class ForwardAuth:
    """How other proxies ask for the decision."""

    convention: Convention
    fields: RequestTable
    """Which fields of their requests are read."""
    peers: Sequence[Network]

    def is_peer(self, address: str) -> bool:
        """Whether a proxy with this address may ask: an IP address, which may have a zone, or
        `LOCAL`, whose clients can open the Unix socket."""
        return address == LOCAL or _within(address, self.peers)


@dataclass(frozen=True, slots=True)
class Runtime:
    """Everything that the configuration says about the data path."""

    generation: int
    """The number of the configuration. What was worked out under another one is not used."""
    limits: Limits
    timeouts: Timeouts
    fields: RequestTable
    """Which fields of requests are read, and which are passed on."""
    decider: Decider
    pools: Mapping[str, Pool | Balancer]
    """By the upstream's name: the connections of one that is one server, or what chooses among
    several."""
    logged: Mapping[str, bytes]
    """By the upstream's name: the member of a line of the access log that names it; empty where
    there is only one."""
    trusted_proxies: Sequence[Network]
    forward_auth: ForwardAuth | None = None
    expiry_notice: int = 0
    """For how many milliseconds before a key expires its answers say when it does."""

    def is_trusted(self, address: str) -> bool:
        """Whether the forwarding fields of a peer with this address count. `address` is an IP
        address, which may have a zone, or `LOCAL`, which is never trusted."""
        networks = self.trusted_proxies
        if not networks or address == LOCAL:
            return False
        return _within(address, networks)


def _within(address: str, networks: Sequence[Network]) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    return any(ip in network for network in networks)
