"""Heads cut out of a stream are what each of them is alone, whatever comes before it or between."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.gateway.head_reader import HeadReader
from proxy.gateway.memo import Memo
from proxy.gateway.runtime import Runtime
from proxy.http1.faults import Fault, Malformed
from proxy.http1.fields import RequestFields
from proxy.http1.grammar import request_line
from proxy.http1.head import Head
from proxy.http1.head_scan import HeadScan, Limits
from tests.proxy.gateway.test_memo import PEER, TABLE, VALUES, Fixed, said_by

LIMITS = Limits(head_size=400, line_size=160, fields=5)


class SmallRuntime(Fixed):
    """A runtime whose limits are small, so that heads exceed them."""

    limits = LIMITS


RUNTIME = cast("Runtime", SmallRuntime())

LINES = [
    b"GET /v1/projects/a/x HTTP/1.1",
    b"GET /v1/projects/b/x HTTP/1.1",
    b"HEAD /v1/projects/a/x HTTP/1.1",
    b"POST /%41;x HTTP/1.1",
    b"GET / HTTP/1.0",
    b"GET /" + b"x" * 150 + b" HTTP/1.1",
    b"GET /../x HTTP/1.1",
    b"TRACE / HTTP/1.1",
    b"nonsense",
]
MORE: dict[bytes, tuple[bytes, ...]] = {
    b"X-One": (b"", b"%b", b"\xff", b"\0", b"a\nb", b"a\rb", b"x" * 140, b"x" * 180),
    b"X-Two": (b"1", b"2"),
    b"Content-Length": (b"0", b"5", b"x"),
    b"Transfer-Encoding": (b"chunked", b"gzip"),
    b"Content_Length": (b"5",),
    b"Bad Name": (b"1",),
}
FIELDS = {
    name: st.sampled_from(values)
    for name, values in (VALUES | MORE).items()
    if name not in {b"Bad Name", b"Content_Length", b"Transfer-Encoding"}
}
RARE = {name: st.sampled_from(MORE[name]) for name in MORE if name not in FIELDS}

fields = st.builds(
    lambda usual, rare: usual | rare,
    st.fixed_dictionaries({}, optional=FIELDS),
    st.just({}) | st.just({}) | st.just({}) | st.fixed_dictionaries({}, optional=RARE),
)


@st.composite
def streams(draw: st.DrawFn) -> list[bytes]:
    """Heads as one client may send them: each is new, or the one before with some changes."""
    heads: list[bytes] = []
    line, values = draw(st.sampled_from(LINES[:5])), draw(fields)
    for _ in range(draw(st.integers(1, 6))):
        change = draw(st.sampled_from(["none", "field", "line", "all"]))
        if change in {"line", "all"}:
            line = draw(st.sampled_from(LINES))
        if change == "all":
            values = draw(fields)
        elif change == "field":
            name = draw(st.sampled_from(sorted(FIELDS)))
            values = values | {name: draw(FIELDS[name])}
        before = draw(st.sampled_from([b"", b"", b"", b"\r\n", b"\r\n\r\n"]))
        block = b"".join(b"%b: %b\r\n" % pair for pair in values.items())
        heads.append(before + line + b"\r\n" + block + b"\r\n")
    return heads


Said = tuple[object, ...] | Fault


def alone(head: bytes) -> Said:
    """What a head says, read line by line and with no other head around it."""
    try:
        scan = HeadScan(LIMITS)
        end = scan.feed(head)
        assert end == len(head)
        line, _, block = head[scan.start :].partition(b"\r\n")
        return said_by(
            Memo(Head(line, request_line(line), RequestFields(block, TABLE)), PEER, RUNTIME)
        )
    except Malformed as malformed:
        return malformed.fault


def read(
    pieces: Sequence[bytes], *, busy: bool = False, remember_after: int = 0, forget_after: int = -1
) -> list[Said]:
    """What a reader says of each head in a stream, up to the first that is malformed. `busy`: each
    request takes until the next piece has arrived, or the one after that."""
    reader, buffer, said = HeadReader(), b"", list[Said]()
    if not remember_after:
        reader.remember()
    for number, piece in enumerate(pieces):
        buffer += piece
        last = number == len(pieces) - 1
        while buffer and not (busy and number % 2 and not last):
            try:
                found = reader.read(buffer, RUNTIME, PEER)
            except Malformed as malformed:
                return [*said, malformed.fault]
            if found is None:
                break
            memo, buffer = found
            said.append(said_by(memo))
            if len(said) == remember_after:
                reader.remember()
            if len(said) == forget_after:
                reader.forget()
            if busy and not last:
                break
    assert buffer == b""
    return said


def until_a_fault(said: list[Said]) -> list[Said]:
    """Those that a connection gets to: a malformed head ends it."""
    faults = [place for place, each in enumerate(said) if isinstance(each, Fault)]
    return said[: faults[0] + 1] if faults else said


def similar(*values: bytes) -> list[bytes]:
    """Heads that differ in the value of one field."""
    return [b"GET / HTTP/1.1\r\nHost: a\r\nX-One: %b\r\n\r\n" % value for value in values]


@example(similar(b"1", b"1", b"1"), [0.4, 0.8], True, 0, -1)
@example(similar(b"1", b"2", b"\0"), [], False, 0, -1)
@example(similar(b"1", b"2", b"a\nb"), [], False, 0, -1)
@example(similar(b"1", b"2", b"x" * 180), [], False, 0, -1)
@settings(max_examples=400)
@given(
    streams(),
    st.lists(st.floats(0, 1, exclude_max=True), max_size=12),
    st.booleans(),
    st.integers(0, 3),
    st.integers(-1, 4),
)
def test_heads_in_a_stream_are_what_each_is_alone(
    heads: list[bytes], cuts: list[float], busy: bool, remember_after: int, forget_after: int
) -> None:
    """Pipelined, repeated, similar, and cut into pieces anywhere; with the slow way of reading as
    the oracle."""
    stream = b"".join(heads)
    places = sorted({0, len(stream), *(int(cut * len(stream)) for cut in cuts)})
    pieces = [stream[start:end] for start, end in pairwise(places)]
    expected = until_a_fault([alone(head) for head in heads])
    said = read(pieces, busy=busy, remember_after=remember_after, forget_after=forget_after)
    assert said == expected


@example([b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"] * 3)
@settings(max_examples=50)
@given(streams())
def test_heads_that_arrive_byte_by_byte_are_what_each_is_alone(heads: list[bytes]) -> None:
    """Each byte is a read of its own, in every head."""
    stream = b"".join(heads)
    pieces = [stream[place : place + 1] for place in range(len(stream))]
    assert read(pieces) == until_a_fault([alone(head) for head in heads])


@settings(max_examples=200)
@given(streams())
def test_a_reader_of_one_head_says_what_a_reader_of_many_says(heads: list[bytes]) -> None:
    """What is remembered of the head before changes nothing."""
    fresh = [read([head])[0] for head in heads]
    assert read(heads) == until_a_fault(fresh)


def memos(reader: HeadReader, *heads: bytes) -> list[Memo]:
    """The memos of heads that arrive one by one."""
    found = [reader.read(head, RUNTIME, PEER) for head in heads]
    assert all(each is not None and each[1] == b"" for each in found)
    return [each[0] for each in found if each is not None]


HEAD = b"GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: one\r\n\r\n"


def test_a_repeated_head_has_the_same_memo_once_heads_are_remembered() -> None:
    """The first head of a connection is not remembered, nor any after `forget`."""
    reader = HeadReader()
    (first,) = memos(reader, HEAD)
    assert (reader.memo, reader.raw) == (None, b"")
    reader.remember()
    second, third = memos(reader, HEAD, HEAD)
    assert first is not second
    assert second is third
    assert (reader.memo, reader.raw) == (third, HEAD)
    reader.forget()
    assert (reader.memo, reader.raw) == (None, b"")
    (fourth,) = memos(reader, HEAD)
    assert fourth is not third


def test_a_head_under_another_configuration_has_a_memo_of_its_own() -> None:
    """A memo holds what depends on the configuration that it was made with."""
    reader = HeadReader()
    reader.remember()
    (before,) = memos(reader, HEAD)
    other = SmallRuntime()
    other.generation = 2
    found = reader.read(HEAD, cast("Runtime", other), PEER)
    assert found
    assert found[0] is not before
    assert found[0].generation == 2


@pytest.mark.parametrize("end", range(1, len(HEAD)))
def test_an_incomplete_head_is_waited_for(end: int) -> None:
    """The reader says so until the same data, and the rest, is given again."""
    reader = HeadReader()
    assert reader.read(HEAD[:end], RUNTIME, PEER) is None
    found = reader.read(HEAD + b"body", RUNTIME, PEER)
    assert found
    assert found[0].head.line == b"GET / HTTP/1.1"
    assert found[1] == b"body"
