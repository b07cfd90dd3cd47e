"""What the parts of the data path need of each other, each as a narrow interface.

There is nothing to test: these are protocols, which mypy checks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from proxy.domain.reasons import BaseReason
from proxy.gateway.limiter import Limiter
from proxy.gateway.runtime import Runtime
from proxy.http1.forwarding import Peer
from proxy.telemetry.recorder import Telemetry
from proxy.telemetry.tracing import Tracer
from proxy.telemetry.usage import UsageRecorder

if TYPE_CHECKING:
    from proxy.gateway.course import Course, Refused


class Shared(Protocol):
    """What all exchanges of one gateway share."""

    runtime: Runtime
    draining: bool
    """Whether the gateway is stopping: then no connection is kept."""
    idle_until: float
    """Until when idle connections are kept nevertheless, in monotonic seconds."""
    now: float
    """Monotonic seconds, as of the last tick: for deadlines."""
    wall: int
    """The wall clock as of the last tick, in milliseconds since the epoch."""
    date: bytes
    """The value of the Date field, as of the last tick."""
    moment: object
    """Another one whenever `runtime`, `draining`, `wall` or `date` has changed: while it is the
    same, what follows from these need not be looked at again."""
    usage: UsageRecorder
    limiter: Limiter
    telemetry: Telemetry
    tracer: Tracer | None
    """Where traces are configured."""
    new_request_id: Callable[[], bytes]


class Client(Protocol):
    """The client's connection, as an exchange or a tunnel uses it."""

    transport: asyncio.Transport
    peer: Peer

    def ready_for_body(self) -> None:
        """The upstream is connected: hand over the body that has arrived meanwhile."""

    def hold(self, held: bool) -> None:
        """Stop reading, or resume: the upstream accepts no more, or does again."""

    def exchange_done(self, *, keep: bool) -> None:
        """The response is written. Without `keep`, the connection ends."""

    def abort(self) -> None:
        """Reset the connection, so that the client does not take a partial response for a whole
        one."""

    def replace(self, handler: RequestHandler) -> None:
        """Another handler goes on with the request, where the last one has got to."""

    def become(self, handler: RequestHandler) -> None:
        """From now on, what the client sends goes to `handler`."""


class RequestHandler(Protocol):
    """What a client's connection feeds: an exchange, or what it became: a tunnel, or what reads on
    after the response (`gateway.lingering`)."""

    wants_body: bool

    @property
    def course(self) -> Course | Refused | None:
        """What the next request with the same head can go by, once this one has ended; None where
        it has to be worked out."""

    @property
    def left(self) -> int | None:
        """How many bytes of the request the client is still to send; None where that is unknown."""

    def receive(self, data: bytes) -> bytes:
        """Take the part of `data` that belongs to this request; return the rest, which does not, or
        is to be given again at the next turn."""

    def fail(self, reason: BaseReason) -> None:
        """End it now, for this reason."""

    def client_eof(self) -> None: ...
    def client_lost(self) -> None: ...
    def client_blocked(self, blocked: bool) -> None: ...
    def tick(self, now: float) -> None: ...
    def settle(self, version: int) -> bool:
        """Decide anew whether it is permitted, by the records of now. False where that is not known
        yet: then it is still as it was decided by records from before `version`."""
        ...
