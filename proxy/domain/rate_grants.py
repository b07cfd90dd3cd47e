"""Rates that several processes share: parts of them are granted ahead of requests. Pure.

The rule that lives here: who grants a rate goes by it as if all granted requests came at once. So
however many processes ask, no more is granted in any span of time than the burst and what the rate
gives in that span.

Tested in `tests/proxy/domain/test_rate_grants.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from proxy.domain.gcra import SECOND, Rate

COURTESY: Final = 10
"""All processes together let through a tenth of a burst, at most, before they are granted it."""


class RateDemand(NamedTuple):
    """How many requests of a rate are wanted, to be let through soon."""

    rate: Rate
    wanted: int


class RateGrant(NamedTuple):
    """A part of a rate: whoever has it may let so many requests through, soon."""

    granted: int
    left: int
    """How much could still be granted, after this."""
    wait: int
    """In how many microseconds one more can be granted than now; 0 where nothing is in use."""
    sharing: int = 1
    """How many processes share the rate."""


def pooled(rate: Rate) -> Rate:
    """The rate as several processes share it. At least what comes in a second may come at once,
    because processes ask ahead for as long as that."""
    return Rate(rate.count, rate.period, max(rate.burst, rate.count * SECOND // rate.period))


def courtesy(rate: Rate, sharing: int) -> int:
    """How many requests one of so many processes may let through before it is granted them."""
    return pooled(rate).burst // (COURTESY * sharing)


def share(rate: Rate, sharing: int) -> Rate:
    """What one of so many processes lets through where it cannot ask for more."""
    return Rate(rate.count, rate.period * sharing, max(1, pooled(rate).burst // sharing))


def divided(granted: int, wanted: Sequence[int]) -> list[int]:
    """What was granted to several together, in parts: to each as much of what it wanted as to the
    others, and never more than that."""
    total, given, so_far, parts = sum(wanted), 0, 0, []
    for each in wanted:
        so_far += each
        until = so_far * granted // total if total else 0
        parts.append(until - given)
        given = until
    return parts


class RateLedger:
    """Grants rates, in memory. All times are microseconds of a clock that never goes back."""

    def __init__(self) -> None:
        self._granted: dict[str, tuple[Rate, int]] = {}
        """The rate of each subject, and its theoretical arrival time."""
        self._forget_at = 0

    def __len__(self) -> int:
        return len(self._granted)

    def grant(
        self, demands: Mapping[str, RateDemand], now: int, sharing: int = 1
    ) -> dict[str, RateGrant]:
        """What is granted to each subject, of which so many processes take a part."""
        if now >= self._forget_at:
            self._forget_full(now)
        return {
            subject: self._grant(subject, pooled(rate), wanted, now, sharing)
            for subject, (rate, wanted) in demands.items()
        }

    def _grant(self, subject: str, rate: Rate, wanted: int, now: int, sharing: int) -> RateGrant:
        before, arrival = self._granted.get(subject, (rate, 0))
        if before != rate:
            arrival = rate.carried_over(arrival, now, before)
        granted, arrival = rate.take_up_to(arrival, now, wanted)
        self._granted[subject] = rate, arrival
        left, wait = rate.left(arrival, now), rate.wait(arrival, now)
        return RateGrant(granted, max(0, left), wait, sharing)

    def _forget_full(self, now: int) -> None:
        """A rate that is full again is equal to one of which nothing was granted."""
        self._forget_at = now + 10 * SECOND
        self._granted = {
            subject: (rate, arrival)
            for subject, (rate, arrival) in self._granted.items()
            if rate.full(arrival) > now
        }
