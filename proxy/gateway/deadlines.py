"""The phases of an exchange, and how long each may last: one table of deadlines.

A body that comes too slowly, rather than not at all, is ended by its rate: `RequestBody.too_slow`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Final, NamedTuple

from proxy.domain.routes import Route
from proxy.gateway.dialer import Dial
from proxy.gateway.failures import Failure
from proxy.gateway.runtime import Timeouts


class Phase(Enum):
    """What an exchange is waiting for."""

    DECIDING = auto()
    """For the decision, which has deadlines of its own."""
    CONNECTING = auto()
    """For a connection to the upstream."""
    UPLOADING = auto()
    """For the rest of the request's body, from the client."""
    UPSTREAM_STALLED = auto()
    """For the upstream to read the request."""
    AWAITING = auto()
    """For the head of the response, from the upstream."""
    RESPONDING = auto()
    """For the rest of the response, from the upstream."""
    RESPONDING_EARLY = auto()
    """The same, while the client is still sending its request."""
    CLIENT_STALLED = auto()
    """For the client to read the response."""
    TUNNEL = auto()
    """For nothing: a tunnel has taken over."""
    DONE = auto()


class Deadline(NamedTuple):
    """How many seconds a phase may last without progress, and the failure if it lasts longer."""

    seconds: Callable[[Timeouts, Dial], float]
    failure: Failure


DEADLINES: Final[Mapping[Phase, Deadline]] = {
    Phase.CONNECTING: Deadline(lambda _, dial: dial.first_byte_timeout, Failure.UPSTREAM_BUSY),
    Phase.UPLOADING: Deadline(lambda timeouts, _: timeouts.body_idle, Failure.BODY_IDLE),
    Phase.UPSTREAM_STALLED: Deadline(lambda _, dial: dial.idle_timeout, Failure.UPSTREAM_STALLED),
    Phase.AWAITING: Deadline(lambda _, dial: dial.first_byte_timeout, Failure.UPSTREAM_TIMEOUT),
    Phase.RESPONDING: Deadline(lambda _, dial: dial.idle_timeout, Failure.UPSTREAM_IDLE),
    Phase.RESPONDING_EARLY: Deadline(lambda _, dial: dial.idle_timeout, Failure.UPSTREAM_IDLE),
    Phase.CLIENT_STALLED: Deadline(
        lambda timeouts, _: timeouts.stalled_reader, Failure.CLIENT_STALLED
    ),
}


def of_route(route: Route, dial: Dial) -> Dial:
    """`dial` with the timeouts that `route` has of its own."""
    first_byte, idle = route.first_byte_timeout, route.idle_timeout
    if first_byte is None and idle is None:
        return dial
    return dial._replace(
        first_byte_timeout=dial.first_byte_timeout if first_byte is None else first_byte,
        idle_timeout=dial.idle_timeout if idle is None else idle,
    )


def waiting_for(phase: Phase, *, client: bool, upstream: bool) -> Phase:
    """The phase that counts while the client, or the upstream, reads nothing of what is sent."""
    if client:
        return Phase.CLIENT_STALLED
    if upstream and phase is Phase.UPLOADING:
        return Phase.UPSTREAM_STALLED
    if upstream and phase is Phase.RESPONDING_EARLY:
        return Phase.RESPONDING  # the client cannot send faster than the upstream reads
    return phase
