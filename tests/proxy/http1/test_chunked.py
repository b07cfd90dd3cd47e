"""The chunked coding is read in one way, or refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.http1.chunked import LINES_A_TURN, ChunkedDecoder, chunk
from proxy.http1.faults import Malformed


def decode(data: bytes, *cuts: int) -> tuple[bytes, bytes, bool]:
    """(body, what follows, whether it ended) of `data` arriving in pieces."""
    decoder, body, rest, at = ChunkedDecoder(), b"", b"", 0
    for cut in [*sorted(cuts), len(data)]:
        piece, at = data[at:cut], cut
        while piece and not decoder.finished:
            part, piece = decoder.feed(piece)
            body += part
        rest += piece
    return body, rest, decoder.finished


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=5), st.data())
def test_a_body_is_read_the_same_however_it_is_split(
    pieces: list[bytes], data: st.DataObject
) -> None:
    """The data of the chunks comes back, and so do the bytes behind the message."""
    coded = b"".join(b"".join(chunk(piece)) for piece in pieces) + b"0;x=y\r\nT: v\r\n\r\nNEXT"
    cuts = data.draw(st.lists(st.integers(0, len(coded)), max_size=6))
    assert decode(coded, *cuts) == (b"".join(pieces), b"NEXT", True)


@pytest.mark.parametrize(
    ("status", "data"),
    [
        (400, b"10000000000000005\r\n"),
        (413, b"ffffffffffffffff\r\n"),
        *(
            (400, size + b"\r\nhello\r\n0\r\n\r\n")
            for size in (b"0x5", b"+5", b"-5", b" 5", b"5 ", b"", b"5\t", b"5 ;a", b"5_0", b"\xb25")
        ),
        *((400, b"5;" + ext + b"\r\nhello") for ext in (b"a\nb", b"a\rb", b"a=\0", b"\x7f")),
        (400, b"5;" + b"a" * 5000 + b"\r\nhello"),
        (400, (b"1;" + b"a" * 1000 + b"\r\nx\r\n") * 6),
        (400, b"5\r\nhelloXX0\r\n\r\n"),
        (400, b"5\r\nhello\n0\r\n\r\n"),
        (400, b"5\r\nhello0\r\n\r\n"),
        (400, b"5\nhello\r\n"),
        (400, b"0\r\nContent-Length: 5\r\n\r\n"),
        (400, b"0\r\ntransfer_encoding: chunked\r\n\r\n"),
        (400, b"0\r\nConnection: close\r\n\r\n"),
        (400, b"0\r\n" + b"X: y\r\n" * 1000 + b"\r\n"),
        (400, b"0\r\nno colon\r\n\r\n"),
        (400, b"0\r\n folded\r\n\r\n"),
    ],
)
def test_chunks_that_another_parser_might_read_differently_are_refused(
    status: int, data: bytes
) -> None:
    """A size is hexadecimal digits and nothing else; extensions and trailers have bounds."""
    with pytest.raises(Malformed) as caught:
        decode(data)
    assert caught.value.fault.status == status


def test_a_size_line_without_end_is_refused() -> None:
    """While it is still short: the decoder does not wait for its end."""
    with pytest.raises(Malformed):
        decode(b"5;" + b"a" * 8000, *range(0, 8000, 100))


def test_a_body_that_ends_within_a_chunk_is_not_finished() -> None:
    """What there is of the chunk is passed on."""
    assert decode(b"5\r\nhel") == (b"hel", b"", False)


def test_one_call_reads_a_bounded_number_of_lines() -> None:
    """It returns the rest, and the next call with that goes on."""
    decoder, rest, body, turns = ChunkedDecoder(), b"1\r\nx\r\n" * 5000 + b"0\r\n\r\nNEXT", b"", 0
    while not decoder.finished:
        part, rest = decoder.feed(rest)
        assert len(part) <= LINES_A_TURN
        body += part
        turns += 1
    assert (body, rest) == (b"x" * 5000, b"NEXT")
    assert turns == 1 + 5001 // LINES_A_TURN
