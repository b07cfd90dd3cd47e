"""The frames of a WebSocket, followed by their headers alone (RFC 6455 section 5.2). Pure.

A close frame may stand between any two frames, even those of one message. Who wants to send one has
to know where a frame ends; what is in it does not matter.
"""

from __future__ import annotations

import os
from typing import Final

GOING_AWAY: Final = 1001
POLICY_VIOLATION: Final = 1008
"""Close codes (RFC 6455 section 7.4.1)."""

FRAMES_A_READ: Final = 1024
"""Frames that are followed in one read: a frame takes about 0.5 us, however small it is, and
256 KiB, which one read may bring, hold 130,000 frames. A stream with more loses its close frame."""

_HEADER: Final = 10
"""The longest header in bytes, without the masking key, which is taken for a part of the data."""
_FIN: Final = 0x80
_RESERVED: Final = 0x30
"""Bits that no extension uses. Compression has a bit of its own (RFC 7692)."""
_MASKED: Final = 0x80
_CLOSE: Final = 0x8
_OPCODES: Final = frozenset({0x0, 0x1, 0x2, 0x8, 0x9, 0xA})


class Frames:
    """Follows the frames that one side sends, in whatever pieces they arrive. Copies nothing but
    a header that is cut in two."""

    __slots__ = ("_header", "_left", "_masked", "closed", "lost")

    def __init__(self, *, masked: bool) -> None:
        """`masked`: whether a client sends them (RFC 6455 section 5.1)."""
        self._masked = _MASKED if masked else 0
        self._header = b""
        """The beginning of a header whose length is not yet whole."""
        self._left = 0
        """Bytes of the current frame still to come."""
        self.closed = False
        """Whether a close frame was among them: nothing follows it."""
        self.lost = False
        """Whether a frame was malformed, or there were too many: where frames end is unknown."""

    @property
    def at_end(self) -> bool:
        """Whether what has arrived ends where a frame ends."""
        return not (self._left or self._header or self.lost)

    def feed(self, data: bytes) -> None:
        """Follow the frames in `data`."""
        size, at = len(data), self._left
        if at >= size:
            self._left = at - size
            return
        self._left = 0
        if self._header:
            kept, self._header = self._header, b""
            begun = kept + data[:_HEADER]
            end = self._frame(begun, 0)
            if end < 0:
                self._header = begun
                return
            at = end - len(kept)
        for _ in range(FRAMES_A_READ):
            if at >= size or self.lost or self.closed:
                self._left = max(0, at - size)
                return
            end = self._frame(data, at)
            if end < 0:
                self._header = data[at:]
                return
            at = end
        self._left = max(0, at - size)
        self.lost = self.lost or at < size

    def _frame(self, data: bytes, at: int) -> int:
        """Read the header at `at`. Returns where its frame ends, or -1 while the header is
        incomplete."""
        if len(data) < at + 2:
            return -1
        opcode, length = data[at] & 0xF, data[at + 1] & 0x7F
        begin = at + 2
        if length > 125:
            begin += 2 if length == 126 else 8
            if len(data) < begin:
                return -1
            least = 126 if length == 126 else 1 << 16
            length = int.from_bytes(data[at + 2 : begin])
            self.lost = not least <= length < 1 << 63
        control = opcode & 0x8 and (length > 125 or not data[at] & _FIN)
        unknown = opcode not in _OPCODES or data[at] & _RESERVED
        if control or unknown or data[at + 1] & _MASKED != self._masked:
            self.lost = True
        self.closed = opcode == _CLOSE
        return begin + length + (4 if self._masked else 0)


def close_frame(code: int, *, masked: bool) -> bytes:
    """A close frame without a reason. `masked`: as a client sends it, under a random key
    (RFC 6455 section 5.3)."""
    payload = code.to_bytes(2)
    if not masked:
        return bytes([_FIN | _CLOSE, len(payload)]) + payload
    key = os.urandom(4)
    hidden = bytes(byte ^ mask for byte, mask in zip(payload, key, strict=False))
    return bytes([_FIN | _CLOSE, _MASKED | len(payload)]) + key + hidden
