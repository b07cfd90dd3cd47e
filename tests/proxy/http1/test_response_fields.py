"""What the fields of a response say by themselves."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.http1.faults import Malformed
from proxy.http1.grammar import FIELD_BLOCK
from proxy.http1.response_fields import ResponseFields
from proxy.http1.template import as_format
from tests.proxy.http1.test_fields import blocks


@pytest.mark.parametrize(
    "lines",
    [
        [b"Content-Length: 5", b"Transfer-Encoding: chunked"],
        [b"Content-Length: 5", b"Content-Length: 5"],
        [b"Content-Length: 5,5"],
        [b"Transfer-Encoding: xchunked"],
        [b"Transfer-Encoding: gzip, chunked"],
    ],
)
def test_framing_that_could_be_read_in_two_ways_is_a_fault(lines: list[bytes]) -> None:
    """Upstreams must keep to the same grammar as clients. The status says whether it matters."""
    block = b"\r\n".join([*lines, b"", b""])
    fields = ResponseFields(block)
    assert fields.fault is not None
    assert (fields.length, fields.chunked, fields.framing) == (None, False, b"")
    assert fields.again(block) is None


def test_an_answer_keeps_all_fields_but_hop_by_hop_ones() -> None:
    """Cookies and redirects are passed on as they came."""
    kept = b"Set-Cookie: a\r\nLocation: http://in/\r\n"
    block = kept + b"Keep-Alive: 5\r\nConnection: x-y\r\nX-Y: 1\r\n\r\n"
    assert ResponseFields(block).end_to_end == kept


ANSWERED = (
    b"X-A",
    b"Server",
    b"Content-Length",
    b"Connection",
    b"Transfer-Encoding",
    b"X-Request-Id",
    b"Date",
    b"Upgrade",
)


def read_of(fields: ResponseFields) -> dict[str, object]:
    """All public attributes but `own_values`, which depend on the responses before."""
    names = (name for name in ResponseFields.__slots__ if name[0] != "_" and name != "own_values")
    return {name: getattr(fields, name) for name in names}


@given(blocks(ANSWERED))
def test_an_answer_that_reuses_the_fields_before_it_reads_the_same(
    blocks: list[bytes],
) -> None:
    """As if its fields were read afresh, as for requests."""
    before = None
    for block in blocks:
        again = before.again(block) if before else None
        if again:
            assert FIELD_BLOCK(block)
            assert read_of(again) == read_of(ResponseFields(block))
        elif FIELD_BLOCK(block):
            with suppress(Malformed):
                again = ResponseFields(block)
        before = again or before


NAMES = (b"X-A", b"Server", b"Date", b"X-Request-Id", b"set-COOKIE")
values = st.sampled_from([b" 1", b"2", b" %b", b"", b" wardgate=1", b" a=b", b" \0", b" a\rb"])
lengths = st.sampled_from([b" %d"] * 4 + [b" 0%d", b"\t%d", b" %d, 5"])
bodies = st.sampled_from([b"", b"hello", b"hello, world", b"\r\n\r\n", b"Date: 1\r\n\r\n"])
responses = st.lists(
    st.tuples(st.lists(values, min_size=3, max_size=3), lengths, bodies), min_size=3, max_size=6
)


LINE = b"HTTP/1.1 200 OK\r\n"


@given(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3), responses)
@example([b"Date"], [([b" %d" % n] * 3, b" %d", b"x" * n) for n in range(3)])
def test_blanks_filled_in_are_what_is_passed_on(
    names: list[bytes], responses: list[tuple[list[bytes], bytes, bytes]]
) -> None:
    """With the values of the next response, whatever its body, and with those of its own."""
    before: ResponseFields | None = None
    for values, length, body in responses:
        lines = [b":".join(pair) for pair in zip(names, values, strict=False)]
        lines.append(b"Content-Length:" + length % len(body))
        block = b"\r\n".join([*lines, b"", b""])
        fresh = ResponseFields(block) if FIELD_BLOCK(block) else None
        data = LINE + block + body
        found = before.differing(data, len(LINE)) if before else None
        if before and found:
            assert fresh is not None
            assert fresh.fault is None
            assert found[1] == len(data) - len(body)
            passed_on = fresh.end_to_end + fresh.framing
            assert as_format(before.blanked) % tuple(found[0]) == passed_on
        before = (before.again(block) if before else None) or fresh or before
        if before:
            passed_on = before.end_to_end + before.framing
            assert as_format(before.blanked) % tuple(before.own_values) == passed_on


def test_values_are_filled_in_where_the_rest_is_the_body() -> None:
    """And read otherwise: of a body that comes in pieces, for example."""
    block = b"Date: %d\r\nContent-Length: %d\r\n\r\n"
    fields = ResponseFields(block % (1, 5)).again(block % (2, 12))
    assert fields is not None
    for body in (b"", b"hello", b"hello, world"):
        head = LINE + block % (3, len(body))
        assert fields.differing(head + body, len(LINE)) == ([b" 3", b"%d" % len(body)], len(head))
        assert fields.differing(head + body + b"x", len(LINE)) is None


def test_an_answer_reuses_the_fields_before_it_where_its_length_differs() -> None:
    """Answers of one upstream often differ in their length alone."""
    again = ResponseFields(b"Server: s\r\nContent-Length: 5\r\n\r\n").again(
        b"Server: s\r\nContent-Length: 06\r\n\r\n"
    )
    assert again is not None
    assert (again.length, again.framing) == (6, b"Content-Length: 6\r\n")
    assert again.end_to_end == b"Server: s\r\n"
