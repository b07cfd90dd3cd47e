"""Rates that several processes share: what is granted is never more than the rate gives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.gcra import SECOND, Rate
from proxy.domain.rate_grants import (
    RateDemand,
    RateGrant,
    RateLedger,
    courtesy,
    divided,
    pooled,
    share,
)

NOW = 1_000 * SECOND
RATES = st.sampled_from(
    [Rate.parse(text, burst) for text in ("7/s", "100/min", "3/h") for burst in (1, 4, 30)]
)


@given(RATES, st.lists(st.tuples(st.integers(0, 3 * SECOND), st.integers(0, 40)), max_size=60))
def test_in_no_span_of_time_is_more_granted_than_the_burst_and_what_the_rate_gives(
    rate: Rate, demands: list[tuple[int, int]]
) -> None:
    """Whoever asks, and however much is wanted."""
    ledger, now, granted = RateLedger(), NOW, list[tuple[int, int]]()
    for gap, wanted in demands:
        now += gap
        grant = ledger.grant({"1c1": RateDemand(rate, wanted)}, now)["1c1"]
        assert 0 <= grant.granted <= wanted
        granted.append((now, grant.granted))
        total = 0
        for time, count in reversed(granted):
            total += count
            assert total * rate.period <= pooled(rate).burst * rate.period + rate.count * (
                now - time
            )


@given(RATES, st.integers(1, 40), st.integers(1, 40))
def test_a_grant_tells_what_is_left_and_when_there_is_more(
    rate: Rate, first: int, second: int
) -> None:
    """Not a microsecond before it."""
    ledger = RateLedger()

    def granted(wanted: int, now: int) -> RateGrant:
        return ledger.grant({"1c1": RateDemand(rate, wanted)}, now)["1c1"]

    left = pooled(rate).burst
    for wanted in (first, second):
        grant = granted(wanted, NOW)
        assert grant.granted == min(wanted, left)
        left -= grant.granted
        assert grant.left == left
    assert grant.wait > 0
    assert granted(0, NOW + grant.wait - 1).left == left
    assert granted(0, NOW + grant.wait).left == left + 1


def test_memory_is_bounded_by_the_subjects_in_use() -> None:
    """A rate that is full again takes none."""
    ledger, rate = RateLedger(), Rate.parse("1/s", 3)
    for number in range(100):
        ledger.grant({f"1c{number}": RateDemand(rate, 1)}, NOW)
    assert len(ledger) == 100
    ledger.grant({"1c1": RateDemand(rate, 1)}, NOW + 20 * SECOND)
    assert len(ledger) == 1


@pytest.mark.parametrize(
    ("rate", "burst"), [("100/s", 100), ("10/h", 10), ("600/min", 1), ("1/h", 1)]
)
@pytest.mark.parametrize("sharing", [1, 2, 8, 64])
def test_all_processes_together_are_courteous_by_a_tenth_of_the_burst(
    rate: str, burst: int, sharing: int
) -> None:
    """At most; with a small burst, none of them is."""
    parsed = Rate.parse(rate, burst)
    assert sharing * courtesy(parsed, sharing) * 10 <= pooled(parsed).burst
    assert courtesy(Rate.parse("5/s"), 64) == 0


@pytest.mark.parametrize("sharing", [1, 2, 8, 64])
def test_the_shares_of_all_processes_are_the_rate(sharing: int) -> None:
    """With a burst of one at least for each."""
    large, small = Rate.parse("100/s"), Rate.parse("5/h", 2)
    assert share(large, sharing).burst == max(1, 100 // sharing)
    assert share(small, sharing).burst == max(1, 2 // sharing)
    for rate in (large, small):
        part = share(rate, sharing)
        assert sharing * part.count * rate.period == rate.count * part.period


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8), st.integers(0, 100))
def test_what_several_get_together_is_divided_by_what_they_want(
    wanted: list[int], granted: int
) -> None:
    """All of it, and to nobody more than wanted."""
    granted = min(granted, sum(wanted))
    parts = divided(granted, wanted)
    assert sum(parts) == granted
    assert all(0 <= part <= each for part, each in zip(parts, wanted, strict=True))
