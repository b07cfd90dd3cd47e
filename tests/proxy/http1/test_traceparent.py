"""The field traceparent is read as W3C Trace Context says, and written so that it can be read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.http1.traceparent import MAX_STATE, Parent, parent_of, trace_lines

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SENT = f"00-{TRACE}-{SPAN}-01".encode()

ids = st.integers(1, 2**64 - 1)


@given(ids, ids, st.booleans())
def test_what_is_written_can_be_read(trace: int, span: int, sampled: bool) -> None:
    """With the same ids and the same wish."""
    trace_id, span_id = f"{trace:032x}", f"{span:016x}"
    line = trace_lines(trace_id, span_id, sampled=sampled)
    name, _, value = line.removesuffix(b"\r\n").partition(b":")
    assert name == b"traceparent"
    assert parent_of([value]) == Parent(trace_id, span_id, sampled)


@pytest.mark.parametrize(
    ("value", "sampled"),
    [
        (SENT, True),
        (b" " + SENT + b"\t", True),
        (SENT[:-2] + b"00", False),
        (SENT[:-2] + b"02", False),
        (SENT[:-2] + b"ff", True),
        (b"01" + SENT[2:], True),
        (b"cc" + SENT[2:] + b"-what-the-future-will-bring", True),
    ],
)
def test_a_parent_is_read_in_this_version_and_later_ones(value: bytes, sampled: bool) -> None:
    """Of the flags, only the first is known; what a later version appends is ignored."""
    assert parent_of([value]) == Parent(TRACE, SPAN, sampled)


@pytest.mark.parametrize(
    "values",
    [
        None,
        [],
        [b""],
        [SENT, SENT],
        [b"ff" + SENT[2:]],
        [SENT + b"-more"],
        [SENT.upper()],
        [SENT[:-1]],
        [SENT[:-3]],
        [b"00-" + b"0" * 32 + SENT[35:]],
        [SENT[:36] + b"0" * 16 + b"-01"],
        [SENT.replace(b"-", b"_")],
        [SENT + b","],
        [b"cc" + SENT[2:] + b"more"],
    ],
)
def test_what_is_not_well_formed_is_no_parent(values: list[bytes] | None) -> None:
    """A trace begins anew then, as if there were none."""
    assert parent_of(values) is None


@given(st.lists(st.binary(max_size=60)))
def test_a_state_is_passed_on_in_one_line_if_it_is_short(state: list[bytes]) -> None:
    """Several fields become one list."""
    line = trace_lines(TRACE, SPAN, sampled=True, state=state)
    joined = b",".join(each.strip(b" \t") for each in state)
    rest = line.partition(b"\r\n")[2]
    assert rest == (b"tracestate: %b\r\n" % joined if 0 < len(joined) <= MAX_STATE else b"")
