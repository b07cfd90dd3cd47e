"""What the rooms that a request passes know of each other, and how long it may stay in each."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple, Protocol

from proxy.auth.decision import Judge
from proxy.gateway.pool import Pool
from proxy.http1.grammar import Limits
from proxy.http1.outbound import Peer
from proxy.telemetry.accesslog import AccessLog
from proxy.telemetry.usage import UsageRecorder


class Timeouts(NamedTuple):
    """In seconds, on the client's side. A deadline may be two ticks late. It is early by
    no more than what the event loop stood still."""

    head: float = 10.0
    """For a whole head, from its first byte, and for the first byte of a connection."""
    keepalive: float = 75.0
    """Between requests. nginx: 75."""
    body_idle: float = 30.0
    body_window: float = 30.0
    body_min_rate: float = 100.0
    """Bytes a second that a body brings at least, over `body_window`."""
    expect: float = 1.0
    """Until a client that waits for 100 is told to go on, where the upstream says nothing
    (RFC 9110 section 10.1.1)."""
    stalled_reader: float = 60.0
    tunnel_idle: float = 3600.0
    half_closed: float = 60.0
    """For a tunnel of which one side has ended, without a word from the other."""
    linger: float = 2.0
    """For a client to read a last answer and close; what it still sends is thrown away."""


class Node(Protocol):
    """What the exchanges of one gateway share."""

    limits: Limits
    timeouts: Timeouts
    body_size: int | None
    draining: bool
    """Whether the gateway is about to stop: no connection is kept."""
    judge: Judge
    pools: dict[str, Pool]
    log: AccessLog
    now: float
    """Monotonic seconds, as of the last tick: for deadlines."""
    wall: int
    """The wall clock as of the last tick, in milliseconds since the epoch."""
    date: bytes
    """For Date."""
    uses: UsageRecorder
    answered: list[int]
    """Requests so far, by the hundreds of their status."""
    refused: Counter[str]
    """Reason → requests that the gateway refused or failed."""
    new_request_id: Callable[[], bytes]

    def is_trusted(self, address: str) -> bool:
        """Whether what this address says of its own client counts."""


class Client(Protocol):
    """The client's connection, as an exchange uses it."""

    transport: asyncio.Transport
    peer: Peer

    def ready_for_body(self) -> None:
        """The upstream is there: hand over what came of the body meanwhile."""

    def hold(self, held: bool) -> None:
        """Stop or go on reading: the upstream takes no more."""

    def exchange_done(self, *, keep: bool) -> None:
        """The answer is out. Without `keep`, the connection ends."""

    def abort(self) -> None:
        """End the connection so that no client takes what it got for a whole answer."""

    def become(self, tunnel: Passage) -> None:
        """From here on, what the client sends goes to `tunnel`."""


class Passage(Protocol):
    """What a client's connection feeds: an exchange, or the tunnel that it became."""

    wants_body: bool
    request_sent: bool

    def receive(self, data: bytes) -> bytes:
        """Take what is of this request, and return what is not, or what is for the next turn."""

    def client_eof(self) -> None: ...
    def client_lost(self) -> None: ...
    def client_blocked(self, blocked: bool) -> None: ...
    def tick(self, now: float) -> None: ...
