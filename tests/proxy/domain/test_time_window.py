"""Time windows: when they are open, when that changes, and which of them is within another."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.time_window import TimeWindow

MINUTES = st.integers(0, 24 * 60 - 1)
WINDOWS = st.builds(TimeWindow, st.integers(0, 6), st.integers(1, 7), MINUTES, MINUTES).filter(
    lambda window: window.start != window.end
)
TIMES = st.integers(0, 4_000_000_000_000)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("Mon-Fri 08:00-18:00", "2026-11-27T08:00", "2026-11-27T18:00"),
        ("Mon-Fri 08:00-18:00", "2026-11-23T17:59", "2026-11-28T12:00"),
        ("22:00-06:00", "2026-11-27T05:59", "2026-11-27T06:00"),
        ("Fri 22:00-06:00", "2026-11-28T05:59", "2026-11-27T05:59"),
        ("Sat-Mon 00:00-24:00", "2026-11-29T23:59", "2026-11-24T00:00"),
        ("Sun 23:00-01:00", "2026-11-23T00:30", "2026-11-22T00:30"),
    ],
)
def test_a_window_is_hours_of_days_in_utc(text: str, inside: str, outside: str) -> None:
    """Hours that pass midnight belong to the day on which they begin."""
    window = TimeWindow.parse(text)
    assert window.is_open(at(inside))
    assert not window.is_open(at(outside))
    assert str(window) == text


@pytest.mark.parametrize(
    "text",
    ["", "08:00", "8:00-9:00", "08:00-08:00", "24:00-02:00", "Mo 08:00-09:00", "08:00-24:30"],
)
def test_anything_else_is_no_window(text: str) -> None:
    """An empty window would be a key that never works."""
    with pytest.raises(ValueError, match="should be hours in UTC"):
        TimeWindow.parse(text)


@given(WINDOWS)
def test_a_window_reads_as_it_was_written(window: TimeWindow) -> None:
    """Seven days from another day than Monday are the same seven days, if no hours pass midnight
    or all do."""
    read = TimeWindow.parse(str(window))
    assert read.covers(window)
    assert window.covers(read)


@given(WINDOWS, TIMES)
def test_nothing_changes_before_the_next_change(window: TimeWindow, now: int) -> None:
    """And then it does."""
    changes = window.changes_at(now)
    if changes is None:
        assert window.is_open(now)
        return
    assert now < changes <= now + 7 * 24 * 3600 * 1000
    assert window.is_open(changes) != window.is_open(now)
    assert window.is_open(changes - 1) == window.is_open(now)


@given(WINDOWS, WINDOWS, TIMES)
def test_a_covered_window_is_never_open_alone(
    outer: TimeWindow, inner: TimeWindow, now: int
) -> None:
    """Every window covers itself."""
    assert inner.covers(inner)
    if outer.covers(inner) and inner.is_open(now):
        assert outer.is_open(now)
