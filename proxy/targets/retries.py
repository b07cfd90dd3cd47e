"""Whether a request that failed is sent again: only where that is safe, and within a budget. Pure.

The rule that lives here: a request acts once. A second one is sent only if the first cannot have
reached a target, or if its method is idempotent (RFC 9110 section 9.2.2: "A proxy MUST NOT
automatically retry non-idempotent requests") and nothing of a response has come.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Set
from typing import Final, NamedTuple

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""The methods that are sent again by default."""
IDEMPOTENT: Final = SAFE | {"PUT", "DELETE", "PROPFIND", "REPORT", "SEARCH", "QUERY"}
"""Those that may be: RFC 9110 section 9.2.2, RFC 4918, RFC 3253, RFC 5323."""
WINDOW: Final = 10
"""Seconds over which a budget is kept (Finagle's `RetryBudget`: 10)."""


class RetryRules(NamedTuple):
    """Which requests are sent again."""

    attempts: int
    """How often one request, at most."""
    methods: Set[bytes]
    """Whose requests may have reached a target before."""
    budget: float
    """The share of requests that may be sent again, such as 0.2."""
    least: int
    """How many may be in each second, however few requests there are."""


class Attempt(NamedTuple):
    """How an attempt to send a request failed."""

    unsent: bool
    """Whether there was no connection, so that nothing can have been sent."""
    unheard: bool
    """Whether no byte of a response came."""


def is_safe(attempt: Attempt, method: bytes, methods: Set[bytes], *, whole: bool) -> bool:
    """Whether a request may be sent again. `whole`: whether all that was sent of it is still
    there."""
    if attempt.unsent:
        return True
    return attempt.unheard and whole and method in methods


class RetryBudget:
    """How many requests may be sent again: a share of all requests in the last seconds, and some
    more. So retries cannot multiply the load on what is left when much fails (Finagle, Linkerd)."""

    __slots__ = ("_before", "_budget", "_least", "requests", "spent")

    def __init__(self, rules: RetryRules) -> None:
        self.requests = 0
        """How many have come since the last tick: whoever sends one adds it."""
        self.spent = 0
        """How many were sent again since then."""
        self._before: deque[tuple[int, int]] = deque(maxlen=WINDOW - 1)
        self.follow(rules)

    def follow(self, rules: RetryRules) -> None:
        """From now on, go by other rules."""
        self._budget, self._least = rules.budget, rules.least

    @property
    def left(self) -> float:
        """How many may be sent again now."""
        requests = self.requests + sum(each for each, _ in self._before)
        spent = self.spent + sum(each for _, each in self._before)
        return requests * self._budget + self._least * WINDOW - spent

    def take(self) -> bool:
        """Spend one, if there is one left."""
        if self.left < 1:
            return False
        self.spent += 1
        return True

    def tick(self) -> None:
        """A second has passed."""
        self._before.append((self.requests, self.spent))
        self.requests = self.spent = 0
