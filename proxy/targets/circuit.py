"""A circuit breaker: what fails again and again gets no requests for a while. Pure.

The rule that lives here: while a circuit is open, nothing is sent; then one request at a time is
tried (half-open), and only a success closes it. Each target has a circuit, which is open while the
target is *ejected* (Envoy's outlier detection), and so has an upstream that asks for one.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class State(Enum):
    """Of a circuit."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class CircuitRules(NamedTuple):
    """When a circuit opens, and for how long. Times in seconds."""

    failures: int
    """How many in a row open it."""
    time: float
    """How long it stays open the first time. It doubles each time that it opens again soon."""
    most: float
    """The longest time."""


class Circuit:
    """One circuit. All times are monotonic seconds."""

    __slots__ = ("_open_for", "cause", "failures", "opened", "rules", "since", "state", "until")

    def __init__(self, rules: CircuitRules, now: float) -> None:
        self.rules = rules
        self.state = State.CLOSED
        self.since = now
        """When the state began."""
        self.until = now
        """When an open circuit is tried again."""
        self.cause = ""
        """Of the last failure."""
        self.failures = 0
        """How many have come in a row."""
        self.opened = 0
        """How often it has opened so far."""
        self._open_for = 0.0
        """How long it was to stay open the last time."""

    def failed(self, cause: str, now: float, *, may_open: bool = True) -> bool:
        """Note a failure. Returns whether the circuit has opened by it. With `may_open` false it
        stays closed, and opens at a later failure."""
        self.failures += 1
        self.cause = cause
        if self.state is State.OPEN:
            return False
        if self.state is State.CLOSED and self.failures < self.rules.failures:
            return False
        if self.state is State.CLOSED and not may_open:
            return False
        rules, again = self.rules, now - self.until < self.rules.most
        before = self._open_for if again or self.state is State.HALF_OPEN else 0.0
        self._open_for = min(max(rules.time, before * 2), rules.most)
        self.until = now + self._open_for
        self.opened += 1
        self._enter(State.OPEN, now)
        return True

    def worked(self, now: float) -> bool:
        """Note a success. Returns whether the circuit has closed by it. One that is open stays
        open: the success is of a request that began before."""
        if self.state is State.OPEN:
            return False
        self.failures = 0
        if self.state is State.CLOSED:
            return False
        self._enter(State.CLOSED, now)
        return True

    def is_due(self, now: float) -> bool:
        """Whether an open circuit is to be tried again."""
        return self.state is State.OPEN and now >= self.until

    def half_open(self, now: float) -> None:
        """Try an open circuit again."""
        if self.state is State.OPEN:
            self._enter(State.HALF_OPEN, now)

    def _enter(self, state: State, now: float) -> None:
        self.state, self.since = state, now
