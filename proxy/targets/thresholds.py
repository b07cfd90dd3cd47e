"""Whether a target that is checked is up: by the results in a row, not by the last one alone.
Pure."""

from __future__ import annotations

from typing import NamedTuple


class Thresholds(NamedTuple):
    """How many results in a row change what is held of a target."""

    healthy: int
    unhealthy: int


class Checked:
    """What is held of one target. It is up at first, as in HAProxy and Caddy: a gateway that has
    just started serves at once."""

    __slots__ = ("_against", "cause", "since", "thresholds", "up")

    def __init__(self, thresholds: Thresholds, now: float) -> None:
        """`now` is in monotonic seconds, as all times are here."""
        self.thresholds = thresholds
        self.up = True
        self.since = now
        """Since when it is up or down."""
        self.cause = ""
        """Of the last check that failed."""
        self._against = 0
        """How many results in a row have said otherwise."""

    def note(self, failure: str | None, now: float) -> bool:
        """Note the result of a check: why it failed, None where it succeeded. Returns whether the
        target is up or down by it otherwise than before."""
        if failure is not None:
            self.cause = failure
        if (failure is None) == self.up:
            self._against = 0
            return False
        self._against += 1
        needed = self.thresholds.unhealthy if self.up else self.thresholds.healthy
        if self._against < needed:
            return False
        self.up, self.since, self._against = not self.up, now, 0
        return True
