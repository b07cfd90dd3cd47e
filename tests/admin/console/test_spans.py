"""Spans of time are cut into slots, which have times and labels."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin.console.spans import SPANS, Span, span_of
from proxy.domain.usage import DAY, HOUR

moments = st.integers(0, 4_000_000_000_000)
spans = st.sampled_from(SPANS)


@given(spans, moments)
def test_the_last_slot_is_under_way_and_they_follow_each_other(span: Span, now: int) -> None:
    """They begin at whole hours or days of UTC, and fill the span."""
    starts = span.starts(now)
    assert len(starts) == span.count
    assert starts[-1] <= now < starts[-1] + span.slot
    assert all(start % span.slot == 0 for start in starts)
    assert {later - one for one, later in pairwise(starts)} == {span.slot}


@given(spans, moments)
def test_labels_stand_in_order_within_the_plot_and_some_stay_where_there_is_little_room(
    span: Span, now: int
) -> None:
    """No two have the same text."""
    labels = span.labels(span.starts(now))
    places = [label.place for label in labels]
    assert places == sorted(places)
    assert 0 <= places[0] <= places[-1] <= 100
    assert 2 <= sum(not label.minor for label in labels) <= 4
    assert len(labels) <= 8
    assert len({label.text for label in labels}) == len(labels)


@given(spans)
def test_a_slot_of_a_day_is_no_moment(span: Span) -> None:
    """A day of UTC must not be shown as a time of the reader's zone."""
    assert (span.moment(0) is None) is (span.slot == DAY)
    assert span.by == ("day" if span.slot == DAY else "hour")


def test_times_are_told_in_utc() -> None:
    """The script of the page puts the reader's zone in their place."""
    day, month = span_of("24h"), span_of("30d")
    moment = 1_795_759_200_000  # 2026-11-27T06:00:00Z
    assert day.when(moment) == "2026-11-27 06:00 UTC"
    assert day.moment(moment) == "2026-11-27T06:00:00Z"
    assert month.when(moment - 6 * HOUR) == "2026-11-27"
    (first, *_) = day.labels(day.starts(moment + 1))
    assert (first.text, first.time, first.minor) == ("09:00", "2026-11-26T09:00:00Z", True)


@pytest.mark.parametrize("name", [None, "", "1000d", "<b>"])
def test_an_unknown_span_is_the_last_24_hours(name: str | None) -> None:
    """A URL may say anything."""
    assert span_of(name).name == "24h"
