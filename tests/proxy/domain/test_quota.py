"""Quotas: their periods in UTC's calendar, and which bounds another."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.quota import BLOCKS, Period, Quota


def moment(text: str) -> int:
    """A time in UTC in milliseconds since the epoch."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("period", "now", "begins", "ends"),
    [
        (Period.DAY, "2026-11-27T00:00:00", "2026-11-27", "2026-11-28"),
        (Period.DAY, "2026-12-31T23:59:59.999", "2026-12-31", "2027-01-01"),
        (Period.MONTH, "2026-11-27T05:00:00", "2026-11-01", "2026-12-01"),
        (Period.MONTH, "2026-12-31T23:59:59.999", "2026-12-01", "2027-01-01"),
        (Period.MONTH, "2028-02-29T12:00:00", "2028-02-01", "2028-03-01"),
        (Period.MONTH, "2026-01-31T00:00:00", "2026-01-01", "2026-02-01"),
    ],
)
def test_a_period_is_a_day_or_a_month_of_utc(
    period: Period, now: str, begins: str, ends: str
) -> None:
    """Whatever the machine's time zone is, and however long the month."""
    assert period.begins(moment(now)) == moment(begins)
    assert period.ends(moment(now)) == moment(ends)


@given(st.sampled_from(Period), st.integers(0, 4_102_444_800_000))
def test_periods_follow_each_other_without_a_gap(period: Period, now: int) -> None:
    """Each moment is in one of them."""
    begins, ends = period.begins(now), period.ends(now)
    assert begins <= now < ends
    assert period.begins(ends) == ends == period.ends(ends - 1)
    assert period.begins(begins) == begins


def test_a_quota_of_days_bounds_a_month() -> None:
    """A month has 31 days at most, and a month's quota bounds each of its days."""
    day, month = Quota.parse("10/day"), Quota.parse("310/month")
    assert month.covers(day)
    assert not Quota.parse("309/month").covers(day)
    assert not day.covers(month)
    assert Quota.parse("310/day").covers(month)


@given(st.integers(1, 10**15 - 1))
def test_a_quota_is_granted_in_small_blocks(count: int) -> None:
    """One and a half of them are less than a hundredth of it, or there is one request in each."""
    block = Quota(count, Period.DAY).block
    assert block == 1 or block * BLOCKS <= count


@pytest.mark.parametrize("text", ["", "10", "10/h", "0/day", "1.5/day", "1e3/day", "10 / day"])
def test_anything_else_is_no_quota(text: str) -> None:
    """No unit is assumed."""
    with pytest.raises(ValueError, match="should be a quota"):
        Quota.parse(text)
