"""How far an exchange is, and how long it may stay there: one table of deadlines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Final, NamedTuple

from proxy.gateway.failures import Failure
from proxy.gateway.pool import Dial
from proxy.gateway.runtime import Timeouts


class Phase(Enum):
    """What an exchange is waiting for."""

    DECIDING = auto()
    """The decision, which has deadlines of its own."""
    CONNECTING = auto()
    """A connection to the upstream."""
    UPLOADING = auto()
    """The rest of the request's body, from the client."""
    UPSTREAM_STALLED = auto()
    """The upstream to read what was sent of the request."""
    AWAITING = auto()
    """The head of the response, from the upstream."""
    RESPONDING = auto()
    """The rest of the response, from the upstream."""
    RESPONDING_EARLY = auto()
    """The same, while the client still sends its request."""
    CLIENT_STALLED = auto()
    """The client to read what was sent of the response."""
    TUNNEL = auto()
    """Nothing: a tunnel took over."""
    DONE = auto()


class Deadline(NamedTuple):
    """How many seconds may pass without anything getting on, and what it is called if they do."""

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
