"""The frames of a WebSocket are followed to their ends, as `websockets` reads them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.exceptions import ProtocolError
from websockets.extensions import Extension
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Close, Frame, Opcode
from websockets.streams import StreamReader

from proxy.http1.websocket import FRAMES_A_READ, Frames, close_frame

SIZES = st.sampled_from([0, 1, 2, 125, 126, 127, 300, 65535, 65536, 70000])
DATA = st.builds(
    Frame,
    st.sampled_from([Opcode.TEXT, Opcode.BINARY, Opcode.CONT]),
    SIZES.map(bytes),
    st.booleans(),
)
CONTROL = st.builds(
    Frame, st.sampled_from([Opcode.PING, Opcode.PONG]), st.binary(max_size=125), st.just(True)
)


def pieces(data: st.DataObject, stream: bytes) -> list[bytes]:
    """The stream, cut anywhere."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    ends = [0, *cuts, len(stream)]
    return [stream[a:b] for a, b in pairwise(ends)]


@given(st.lists(DATA | CONTROL, max_size=8), st.booleans(), st.data())
def test_a_stream_stands_at_an_end_exactly_where_a_frame_ends(
    frames: list[Frame], masked: bool, data: st.DataObject
) -> None:
    """Fragments and control frames between them, of any length, masked or not, in any pieces."""
    stream, ends = b"", {0}
    for frame in frames:
        stream += frame.serialize(mask=masked)
        ends.add(len(stream))
    followed, at = Frames(masked=masked), 0
    for piece in pieces(data, stream):
        followed.feed(piece)
        at += len(piece)
        assert followed.at_end == (at in ends)
    assert not followed.lost
    assert not followed.closed


@given(st.lists(st.binary(max_size=400), max_size=5), st.booleans(), st.data())
def test_compressed_messages_are_followed(
    messages: list[bytes], masked: bool, data: st.DataObject
) -> None:
    """As permessage-deflate sends them (RFC 7692), with a close frame behind."""
    deflate = PerMessageDeflate(False, False, 15, 15)
    frames = [
        Frame(Opcode.BINARY, message).serialize(mask=masked, extensions=[deflate])
        for message in messages
    ]
    closing = Frame(Opcode.CLOSE, Close(1000, "").serialize()).serialize(mask=masked)
    followed = Frames(masked=masked)
    for piece in pieces(data, b"".join(frames)):
        followed.feed(piece)
    assert followed.at_end
    assert not followed.closed
    followed.feed(closing[:1])
    assert not followed.at_end
    followed.feed(closing[1:])
    assert followed.at_end
    assert followed.closed


class Compression(Extension):
    """An extension that uses the bit of permessage-deflate, and compresses nothing."""

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        return replace(frame, rsv1=False)


def ends_by_websockets(stream: bytes, masked: bool) -> bool:
    """Whether `websockets` reads `stream` as whole frames, up to a close frame."""
    reader = StreamReader()
    reader.feed_data(stream)
    while reader.buffer:
        parsing = Frame.parse(reader.read_exact, mask=masked, extensions=[Compression()])
        try:
            next(parsing)
        except StopIteration as done:
            if done.value.opcode is Opcode.CLOSE:
                return True
        except ProtocolError:
            return False
        else:
            return False  # it waits for more
    return True


HEADERS = st.builds(
    lambda first, second, length: bytes([first, second]) + length,
    st.sampled_from([0x00, 0x01, 0x02, 0x03, 0x08, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8B, 0x91, 0xA1]),
    st.sampled_from([0x00, 0x01, 0x05, 0x7E, 0x7F, 0x80, 0x81, 0xFE, 0xFF]),
    st.binary(max_size=9),
)


@given(st.lists(HEADERS | st.binary(max_size=8), max_size=6).map(b"".join), st.booleans())
@example(b"\x81\x7f" + b"\xff" * 8, False)
@example(b"\x81\x7e\x00\x01x", False)
@example(b"\x81\x7f" + bytes(7) + b"\x01x", False)
def test_whatever_arrives_no_end_is_seen_where_websockets_sees_none(
    stream: bytes, masked: bool
) -> None:
    """A malformed stream is lost: then nobody is sent a close frame in the middle of a frame."""
    followed = Frames(masked=masked)
    for at in range(len(stream)):
        followed.feed(stream[at : at + 1])
        if followed.at_end:
            assert ends_by_websockets(stream[: at + 1], masked)


@pytest.mark.parametrize(
    "frame",
    [
        b"\x81\x80key.",  # masked, by a server
        b"\x83\x00",  # an unknown opcode
        b"\xb1\x00",  # reserved bits
        b"\x09\x00",  # a control frame in fragments
        b"\x89\x7e\x00\x7e" + bytes(126),  # a control frame that is too long
        b"\x82\x7e\x00\x7d" + bytes(125),  # a length in more bytes than it needs
        b"\x82\x7f\x80" + bytes(7),  # a length of 64 bits
    ],
)
def test_what_is_malformed_is_lost_for_good(frame: bytes) -> None:
    """RFC 6455 sections 5.1, 5.2 and 5.5. Nothing that follows is a frame's end again."""
    followed = Frames(masked=False)
    followed.feed(frame)
    assert followed.lost
    followed.feed(b"\x81\x00" * 100)
    assert not followed.at_end


def test_as_many_small_frames_are_followed_in_a_read_as_take_little_time() -> None:
    """In several reads there may be any number."""
    followed, tiny = Frames(masked=False), b"\x82\x01x"
    for _ in range(5):
        followed.feed(tiny * FRAMES_A_READ)
        assert followed.at_end
    followed.feed(tiny * FRAMES_A_READ + b"\x82")
    assert followed.lost


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("code", [1001, 1008])
def test_a_close_frame_is_read_with_its_code(code: int, masked: bool) -> None:
    """By `websockets`, and by what follows frames here."""
    raw = close_frame(code, masked=masked)
    reader = StreamReader()
    reader.feed_data(raw)
    with pytest.raises(StopIteration) as parsed:
        next(Frame.parse(reader.read_exact, mask=masked))
    assert parsed.value.value.opcode is Opcode.CLOSE
    assert Close.parse(bytes(parsed.value.value.data)).code == code
    followed = Frames(masked=masked)
    followed.feed(raw)
    assert followed.closed
    assert followed.at_end


def test_the_last_frame_of_a_read_may_be_the_malformed_one() -> None:
    """It is lost like any other."""
    frames = Frames(masked=True)
    frames.feed(b"\x82\x80\0\0\0\0" * (FRAMES_A_READ - 1) + b"\x83\x80\0\0\0\0")
    assert frames.lost
    assert not frames.at_end
