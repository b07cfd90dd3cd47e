"""Rates: what fits, what waits, and that no window of time lets more through than the rate says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.gcra import Rate

RATES = st.builds(
    Rate,
    st.integers(1, 50),
    st.sampled_from([1_000, 60_000, 3_600_000]),
    st.integers(1, 20),
)
GAPS = st.lists(st.integers(0, 3_000), max_size=80)
"""Milliseconds between requests."""


def accepted(rate: Rate, gaps: list[int]) -> list[int]:
    """The times of the requests that fit."""
    now, arrival, times = 1_000_000, 0, []
    for gap in gaps:
        now += gap
        following = rate.take(arrival, now)
        if following is not None:
            arrival = following
            times.append(now)
    return times


@pytest.mark.parametrize(
    ("text", "count", "period", "burst"),
    [("100/s", 100, 1_000, 100), ("6000/min", 6000, 60_000, 100), ("10/h", 10, 3_600_000, 1)],
)
def test_a_rate_is_a_number_in_a_period(text: str, count: int, period: int, burst: int) -> None:
    """Without a burst of its own, as many may come at once as come in a second."""
    assert Rate.parse(text) == Rate(count, period, burst)
    assert str(Rate.parse(text)) == text


@pytest.mark.parametrize("text", ["", "100", "0/s", "-1/s", "1.5/s", "100/d", "100 / s", "٣/s"])
def test_anything_else_is_no_rate(text: str) -> None:
    """No unit is assumed."""
    with pytest.raises(ValueError, match="should be a rate"):
        Rate.parse(text)


def test_a_burst_of_none_would_refuse_everything() -> None:
    """It is an error, not a key that never works."""
    with pytest.raises(ValueError, match="burst of 1 at least"):
        Rate.parse("1/s", 0)


@given(RATES, GAPS)
def test_no_window_of_time_lets_more_through(rate: Rate, gaps: list[int]) -> None:
    """In any span, at most the burst and what the rate gives in that span."""
    times = accepted(rate, gaps)
    for first, begin in enumerate(times):
        for last in range(first, len(times)):
            span = times[last] - begin
            assert (last - first + 1 - rate.burst) * rate.period <= span * rate.count


@given(RATES, GAPS)
def test_what_comes_no_faster_than_the_rate_always_fits(rate: Rate, gaps: list[int]) -> None:
    """Whatever came before: after the time that `wait` tells, a request fits, and not before."""
    now, arrival = 1_000_000, 0
    for gap in gaps:
        now += gap
        wait = rate.wait(arrival, now)
        assert (rate.take(arrival, now) is None) == (wait > 0)
        assert (rate.left(arrival, now) == 0) == (wait > 0)
        if wait:
            assert rate.take(arrival, now + wait - 1) is None
        following = rate.take(arrival, now + wait)
        assert following is not None
        arrival, now = following, now + wait


@given(RATES, st.integers(0, 30))
def test_as_many_fit_at_once_as_are_said_to_be_left(rate: Rate, taken: int) -> None:
    """No more, no fewer."""
    now, arrival = 1_000_000, 0
    for _ in range(taken):
        arrival = rate.take(arrival, now) or arrival
    for _ in range(rate.left(arrival, now)):
        following = rate.take(arrival, now)
        assert following is not None
        arrival = following
    assert rate.take(arrival, now) is None


@given(RATES, RATES, GAPS)
def test_a_covered_rate_never_lets_through_more(outer: Rate, inner: Rate, gaps: list[int]) -> None:
    """At any time, no more have fitted within the inner rate than would within the outer one."""
    if outer.covers(inner):
        assert accepted(outer, gaps_of(accepted(inner, gaps))) == accepted(inner, gaps)


def gaps_of(times: list[int]) -> list[int]:
    """The gaps that lead to these times."""
    before = [1_000_000, *times]
    return [after - earlier for earlier, after in zip(before, times, strict=False)]
