"""Rates: what fits, what waits, and that no window of time lets more through than the rate says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.gcra import SECOND, Rate

RATES = st.builds(
    Rate,
    st.integers(1, 50),
    st.sampled_from([SECOND, 60 * SECOND, 3_600 * SECOND]),
    st.integers(1, 20),
)
GAPS = st.lists(st.integers(0, 3_000_000), max_size=80)
"""Microseconds between requests."""


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
    [
        ("100/s", 100, SECOND, 100),
        ("6000/min", 6000, 60 * SECOND, 100),
        ("10/h", 10, 3600 * SECOND, 1),
    ],
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
    with pytest.raises(ValueError, match="burst of 1 to"):
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
    """Whatever came before: after the time that `wait` tells, one more request fits, and not
    before."""
    now, arrival = 1_000_000, 0
    for gap in gaps:
        now += gap
        wait, left = rate.wait(arrival, now), rate.left(arrival, now)
        assert (rate.take(arrival, now) is None) == (left == 0)
        assert (left == rate.burst) == (wait == 0) == (now >= rate.full(arrival))
        if wait:
            assert rate.left(arrival, now + wait - 1) == left
            assert rate.left(arrival, now + wait) > left
        if not left:
            now += wait
        following = rate.take(arrival, now)
        assert following is not None
        arrival = following


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


@given(RATES, RATES, GAPS)
def test_another_rate_counts_on_from_what_was_used(
    before: Rate, after: Rate, gaps: list[int]
) -> None:
    """As many requests are used as before, but never more than fit at once; and to change there and
    back gives nothing back."""
    now, arrival = 1_000_000, 0
    for gap in gaps:
        now += gap
        arrival = before.take(arrival, now) or arrival
    used = before.burst - before.left(arrival, now)
    carried = after.carried_over(arrival, now, before)
    assert after.left(carried, now) == after.burst - min(used, after.burst)
    if after.burst >= before.burst:
        again = before.carried_over(carried, now, after)
        assert before.left(again, now) <= before.left(arrival, now)


@given(RATES)
def test_the_window_of_a_rate_has_room_for_its_burst(rate: Rate) -> None:
    """It is the shortest in whole seconds, and the rate gives no more in it than it says."""
    assert rate.count_in_window >= rate.burst
    assert rate.count_in_window * rate.period <= rate.window * SECOND * rate.count
    assert rate.window == 1 or (rate.window - 1) * SECOND * rate.count < rate.burst * rate.period


def test_the_next_request_of_a_fast_rate_fits_within_a_millisecond() -> None:
    """Time is counted finely enough for a burst of 1."""
    rate = Rate.parse("5000/s", 1)
    arrival = rate.take(0, SECOND)
    assert arrival is not None
    assert rate.take(arrival, SECOND + 199) is None
    assert rate.take(arrival, SECOND + 200) is not None
