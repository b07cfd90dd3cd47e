"""Bodies as they arrive: where they end, what goes upstream of them, and when they are too slow."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.http1.body import BodyReader, RequestBody
from proxy.http1.chunked import LAST_CHUNK, chunk
from proxy.http1.faults import Fault, Malformed
from proxy.http1.fields import RequestFields
from tests.upstream import dechunk

NEXT = b"GET /next HTTP/1.1\r\n\r\n"
"""Bytes of the next message."""
CHUNKED = b"Transfer-Encoding: chunked"


def request_body(*lines: bytes, limit: int | None = None) -> RequestBody:
    """The body that a request with these lines announces, from second 0 on."""
    fields = RequestFields(b"\r\n".join([b"Host: h", *lines, b"", b""]))
    body = RequestBody(fields, 0.0)
    assert limit is None or body.bound(limit)
    return body


def take(body: RequestBody, pieces: list[bytes]) -> tuple[bytes, bytes]:
    """(what goes upstream of `pieces`, what is left of them)."""
    sent = rest = b""
    for piece in pieces:
        rest += piece
        while rest and not body.finished:
            parts, rest = body.take(rest)
            sent += b"".join(parts)
    return sent, rest


@st.composite
def split(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """`data` in pieces."""
    cuts = sorted(draw(st.sets(st.integers(0, len(data)), max_size=6)))
    return [data[a:b] for a, b in itertools.pairwise([0, *cuts, len(data)])]


@given(st.binary(min_size=1, max_size=60), st.sampled_from([b"", NEXT]), st.data())
def test_a_body_with_a_length_ends_there_however_it_is_split(
    data: bytes, behind: bytes, draws: st.DataObject
) -> None:
    """It goes upstream byte for byte, and the bytes of the next message do not."""
    body = request_body(b"Content-Length: %d" % len(data))
    assert take(body, draws.draw(split(data + behind))) == (data, behind)
    assert (body.finished, body.received) == (True, len(data))


@given(st.lists(st.binary(min_size=1, max_size=20), max_size=4), st.data())
def test_a_chunked_body_is_chunked_anew_however_it_is_split(
    parts: list[bytes], draws: st.DataObject
) -> None:
    """Its extensions and trailers are not passed on, and it is measured without its framing."""
    coded = b"".join(b"%x;a=b\r\n%b\r\n" % (len(part), part) for part in parts)
    coded += b"0;c\r\nX-Trailer: y\r\n\r\n"
    body = request_body(CHUNKED)
    sent, rest = take(body, draws.draw(split(coded + NEXT)))
    assert dechunk(sent) == b"".join(parts)  # which reads no extensions
    assert sent.endswith(LAST_CHUNK)

    assert b"X-Trailer" not in sent
    assert rest == NEXT
    assert (body.finished, body.received) == (True, len(b"".join(parts)))


def test_a_request_without_framing_has_no_body() -> None:
    """It is finished before any byte of a body (RFC 9112 section 6.3)."""
    assert request_body().finished
    assert request_body(b"Content-Length: 0").finished
    assert not request_body(CHUNKED).finished


@given(st.lists(st.binary(max_size=20)))
def test_an_answer_without_framing_lasts_until_its_connection_ends(pieces: list[bytes]) -> None:
    """No byte ends it."""
    reader = BodyReader(None)
    assert reader.until_close
    assert all(reader.feed(piece) == (piece, b"") for piece in pieces)
    assert not reader.finished


def test_a_length_beyond_the_limit_is_refused_before_the_body_comes() -> None:
    """A length that is the limit is accepted."""
    assert not request_body(b"Content-Length: 11").bound(10)
    assert not request_body(b"Content-Length: 10", limit=10).finished


def test_a_chunked_body_is_refused_as_soon_as_it_is_beyond_the_limit() -> None:
    """What is beyond is not passed on."""
    body = request_body(CHUNKED, limit=10)
    assert take(body, [b"".join(chunk(b"x" * 10))])[0] == b"".join(chunk(b"x" * 10))
    with pytest.raises(Malformed) as caught:
        take(body, [b"1\r\nx\r\n"])
    assert caught.value.fault is Fault.BODY_SIZE


@pytest.mark.parametrize("broken", [b"zz\r\n", b"0\r\nX : y\r\n\r\n", b"5\r\nhelloXX"])
def test_a_malformed_chunked_body_never_gets_its_last_chunk(broken: bytes) -> None:
    """So the upstream cannot take it for a whole one."""
    body = request_body(CHUNKED)
    assert take(body, [b"4\r\nhalf\r\n"]) == (b"".join(chunk(b"half")), b"")
    with pytest.raises(Malformed):
        take(body, [broken])
    assert not body.finished


def test_a_body_is_too_slow_where_it_is_below_its_rate_for_a_whole_window() -> None:
    """Each window is measured by itself: bytes of the one before do not count."""
    body = request_body(b"Content-Length: 1000")
    body.take(b"x" * 100)
    assert not body.too_slow(9.9, window=10, rate=20)  # the window is not over
    assert body.too_slow(10.0, window=10, rate=20)
    body.take(b"x" * 200)
    assert not body.too_slow(20.0, window=10, rate=20)
    assert body.too_slow(30.0, window=10, rate=20)


def test_time_in_which_the_gateway_did_not_read_does_not_count_against_a_body() -> None:
    """The window begins anew when it reads again."""
    body = request_body(b"Content-Length: 1000")
    body.restart_clock(60.0)
    assert not body.too_slow(69.0, window=10, rate=20)
    assert body.too_slow(70.0, window=10, rate=20)
