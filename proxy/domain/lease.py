"""The lease of a node: until when it may go by what it knows, without having asked the store again.

The rule that lives here: a lease counts from the moment before the question left, not from the
answer. Then, whatever became of messages and clocks in between, no record is gone by for longer
after its change was acknowledged than the lease lasts. Only the rate of a clock has to be right,
never its time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Protocol

_BOOTTIME: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

DRIFT: Final = 0.001
"""How much faster or slower than true time a clock may go: twice what NTP corrects (500 ppm)."""
ENDING: Final = 3.0
"""Seconds after a lease in which requests that are under way are ended: the gateway looks at them
each second, and waits for one more for the lease to come back."""


def boottime() -> float:
    """Seconds since the machine started. Unlike the monotonic clock of Linux, it goes on while the
    machine is suspended."""
    return time.clock_gettime(_BOOTTIME)


def gone_after(length: float) -> float:
    """Seconds after which the lease of a node must be over that has not been heard of, and what it
    permitted has ended: by any other clock, however much the two differ in rate."""
    return (length + ENDING) * (1 + DRIFT) / (1 - DRIFT)


class Leasing(Protocol):
    """What says until when records may be gone by."""

    patience: float
    """Seconds for which a new request waits for one that has ended."""

    def holds(self) -> bool:
        """Whether a request may be permitted now."""
        ...


class Lease:
    """Times are seconds of `clock`, which never goes back."""

    patience = 1.0
    __slots__ = ("_clock", "_until", "length", "told")

    def __init__(self, length: float, clock: Callable[[], float] = boottime) -> None:
        self.length = length
        self.told: Callable[[float], None] = lambda _until: None
        """Called with the moment until which it lasts, whenever that changes."""
        self._clock = clock
        self._until = float("-inf")

    def extend(self, sent: float) -> None:
        """The store was asked at `sent`, and all that had changed by then is applied. An earlier
        question than one before changes nothing."""
        self._until = max(self._until, sent + self.length)
        self.told(self._until)

    def end(self) -> None:
        """What is known is no longer to be gone by."""
        self._until = float("-inf")
        self.told(self._until)

    def holds(self) -> bool:
        """Whether the node may permit a request now. The clock is read: after a process was
        stopped, or its machine, what it had planned to do comes too late."""
        return self._clock() < self._until

    @property
    def remaining(self) -> float:
        """Seconds until it ends, 0 where it has ended."""
        return max(0.0, self._until - self._clock())
