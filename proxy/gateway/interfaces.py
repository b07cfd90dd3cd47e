"""What the parts of the data path need of each other, each as a narrow interface."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from proxy.gateway.runtime import Runtime
from proxy.http1.outbound import Peer
from proxy.telemetry.recorder import Telemetry
from proxy.telemetry.usage import UsageRecorder


class Shared(Protocol):
    """What all exchanges of one gateway share."""

    runtime: Runtime
    draining: bool
    """Whether the gateway is about to stop: no connection is kept."""
    now: float
    """Monotonic seconds, as of the last tick: for deadlines."""
    wall: int
    """The wall clock as of the last tick, in milliseconds since the epoch."""
    date: bytes
    """For Date."""
    usage: UsageRecorder
    telemetry: Telemetry
    new_request_id: Callable[[], bytes]


class Client(Protocol):
    """The client's connection, as an exchange or a tunnel uses it."""

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

    def become(self, tunnel: RequestHandler) -> None:
        """From here on, what the client sends goes to `tunnel`."""


class RequestHandler(Protocol):
    """What a client's connection feeds: an exchange, or the tunnel that it became."""

    wants_body: bool

    @property
    def request_sent(self) -> bool:
        """Whether all of the request has come and was passed on."""

    def receive(self, data: bytes) -> bytes:
        """Take what is of this request, and return what is not, or what is for the next turn."""

    def client_eof(self) -> None: ...
    def client_lost(self) -> None: ...
    def client_blocked(self, blocked: bool) -> None: ...
    def tick(self, now: float) -> None: ...
