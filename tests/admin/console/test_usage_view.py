"""Rows of usage become totals, slots of time and reasons."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from admin.console.spans import SPANS, Span, span_of
from admin.console.usage_view import EXPLANATIONS, KINDS, dimensions_of, view_of
from proxy.domain.usage import HOUR, Dimension, UsageRow

NOW = 1_795_759_200_000  # 2026-11-27T06:00:00Z


def row(
    ago: int, status: int, reason: str = "", *, requests: int = 1, seconds: float = 0.0
) -> UsageRow:
    """The usage of one hour, so many hours ago, as the store counts it."""
    refused = requests if status == 4 and reason not in {"", "client-closed"} else 0
    failed = requests if status == 5 else 0
    values = (NOW - ago * HOUR, status, reason)
    return UsageRow(values, requests, refused, failed, 0, 0, seconds)


rows = st.lists(
    st.builds(
        row,
        st.integers(0, 24 * 100),
        st.integers(1, 5),
        st.sampled_from(["", "read-only", "client-closed", "no-longer-known"]),
        requests=st.integers(1, 10**9),
        seconds=st.floats(0, 1e6),
    )
)


@given(st.sampled_from(SPANS), rows)
def test_every_request_of_the_span_counts_once(span: Span, given: list[UsageRow]) -> None:
    """In its slot, and as one kind; its reason counts it too."""
    view = view_of(span, NOW, given)
    first = view.slots[0].start
    within = [each for each in given if int(each.values[0]) >= first]
    assert len(view.slots) == span.count
    assert view.total.requests == sum(each.requests for each in within)
    by_kind = dict(zip((kind.name for kind in KINDS), view.total.counts, strict=True))
    assert by_kind["refused"] == sum(each.refused for each in within)
    assert by_kind["failed"] == sum(each.failed for each in within)
    with_reason = sum(each.requests for each in within if each.values[2])
    assert sum(reason.requests for reason in view.reasons) == with_reason


def test_a_slot_without_rows_had_no_requests_and_no_latency() -> None:
    """A gap is shown as one."""
    view = view_of(span_of("24h"), NOW, [row(0, 2, requests=4, seconds=2.0)])
    assert [slot.requests for slot in view.slots] == [0] * 23 + [4]
    assert [slot.mean for slot in view.slots] == [None] * 23 + [0.5]
    assert view.latency_text(view.slots[0]) == "–"


def test_refused_requests_make_the_mean_latency_no_better() -> None:
    """They never reached the API behind."""
    refused = row(0, 4, "unknown-key", requests=1000, seconds=0.1)
    view = view_of(span_of("24h"), NOW, [row(0, 2, requests=2, seconds=1.0), refused])
    assert view.total.mean == 0.5
    assert view.share("refused") == ">99%"


def test_the_status_of_the_api_is_told_apart_from_a_refusal() -> None:
    """A 404 of the API is no refusal, and neither is a client that went away."""
    given = [row(0, 3), row(0, 4), row(0, 4, "client-closed"), row(0, 4, "access"), row(0, 5)]
    view = view_of(span_of("24h"), NOW, given)
    assert view.total.counts == [1, 2, 1, 1]
    assert {reason.code: reason.kind for reason in view.reasons} == {
        "client-closed": "declined",
        "access": "refused",
    }


def test_reasons_are_explained_and_the_most_frequent_is_first() -> None:
    """One that this version does not know any more has no explanation."""
    given = [row(0, 4, "gone", requests=2), row(1, 4, "access"), row(2, 4, "access", requests=3)]
    first, second = view_of(span_of("24h"), NOW, given).reasons
    assert first == ("access", EXPLANATIONS["access"], "refused", 4, 100.0)
    assert second == ("gone", "", "refused", 2, 50.0)


def test_the_busiest_and_the_slowest_slot_are_found() -> None:
    """Of several that are alike the latest is the busiest."""
    given = [row(3, 2, requests=2, seconds=9.0), row(1, 2, requests=2, seconds=0.1)]
    view = view_of(span_of("24h"), NOW, given)
    assert view.busiest.start == NOW - HOUR
    assert view.slowest.start == NOW - 3 * HOUR


def test_usage_is_asked_for_by_what_a_view_shows() -> None:
    """By the hour or by the day, status and reason."""
    assert dimensions_of(span_of("7d")) == (Dimension.HOUR, Dimension.STATUS, Dimension.REASON)
    assert dimensions_of(span_of("90d"))[0] is Dimension.DAY
