"""The chunked transfer coding (RFC 9112 section 7.1), read strictly.

What another parser could read differently is refused: white space around a size, bare line feeds,
more than 4 KiB of extensions or of trailers in a message. Neither of these is passed on.
"""

from __future__ import annotations

import re
from typing import Final

from proxy.http1.faults import Fault, Malformed
from proxy.http1.grammar import field_line, fold

MAX_CHUNK: Final = 2**63 - 1
LINES_A_TURN: Final = 256
"""Lines read before other connections have their turn: a chunk takes about 3 us, however small it
is, and 256 KiB, which one read may bring, hold 40,000 chunks of one byte."""
MAX_EXTENSIONS: Final = 4096
"""Bytes in the whole message. Go net/http: 16 a chunk on average."""
MAX_TRAILERS: Final = 4096
_SIZE_LINE: Final = 18
"""Bytes of a size line without extensions, at most: 16 digits and the CRLF."""
LAST_CHUNK: Final = b"0\r\n\r\n"

_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})(;[\t\x20-\x7e]*)?").fullmatch
_NO_TRAILERS: Final = frozenset(
    {b"content-length", b"transfer-encoding", b"connection", b"host", b"upgrade", b"trailer"}
)
"""Fields that frame a message. In a trailer section they can only mislead some reader."""


class ChunkedDecoder:
    """Decodes a chunked body, in whatever pieces it arrives. Buffers one line at most."""

    __slots__ = ("_crlf", "_extensions", "_in_trailers", "_left", "_line", "_trailers", "finished")

    def __init__(self) -> None:
        self.finished = False
        self._left = 0
        """Bytes of the current chunk still to come."""
        self._crlf = b""
        """The rest of the CRLF that must follow a chunk's data."""
        self._line = b""
        self._extensions = self._trailers = 0
        self._in_trailers = False

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """(the part of the body in `data`, the rest). Raises `Malformed` (400, or 413 where a chunk
        is larger than any body).

        Once the body is `finished`, the rest is what follows the message. Before, it is to be fed
        again at the next turn.
        """
        pieces: list[bytes] = []
        at, lines = 0, LINES_A_TURN
        while at < len(data) and not self.finished and lines:
            if self._left:
                piece = data[at : at + self._left]
                pieces.append(piece)
                self._left -= len(piece)
                at += len(piece)
                if not self._left:
                    self._crlf = b"\r\n"
            elif self._crlf:
                end = data[at : at + len(self._crlf)]
                if not self._crlf.startswith(end):
                    raise Malformed(Fault.CHUNK_END)
                self._crlf = self._crlf[len(end) :]
                at += len(end)
            else:
                lines -= 1
                at = self._read_line(data, at)
        return b"".join(pieces) if len(pieces) != 1 else pieces[0], data[at:]

    def _read_line(self, data: bytes, at: int) -> int:
        """Read the line, or the part of one, that starts at `at`. Returns where it ends."""
        line_feed = data.find(b"\n", at)
        end = line_feed + 1 or len(data)
        self._line += data[at:end]
        if self._in_trailers:
            if self._trailers + len(self._line) > MAX_TRAILERS:
                raise Malformed(Fault.TRAILERS)
        elif self._extensions + len(self._line) > MAX_EXTENSIONS + _SIZE_LINE:
            raise Malformed(Fault.CHUNK_SIZE)
        if line_feed >= 0:
            line, self._line = self._line, b""
            if not line.endswith(b"\r\n"):
                raise Malformed(Fault.LINE_END)
            (self._trailer if self._in_trailers else self._size)(line[:-2])
        return end

    def _size(self, line: bytes) -> None:
        match = _SIZE(line)
        if match is None:
            raise Malformed(Fault.CHUNK_SIZE)
        size = int(match[1], 16)
        if size > MAX_CHUNK:
            raise Malformed(Fault.CHUNK_TOO_LARGE)
        self._extensions += len(match[2] or b"")
        self._left = size
        self._in_trailers = not size

    def _trailer(self, line: bytes) -> None:
        if not line:
            self.finished = True
            return
        self._trailers += len(line) + 2
        name = fold(line.partition(b":")[0])
        if not field_line(line) or name in _NO_TRAILERS:
            raise Malformed(Fault.TRAILERS)


def chunk(data: bytes) -> tuple[bytes, bytes, bytes]:
    """`data`, which must not be empty, as one chunk."""
    return b"%x\r\n" % len(data), data, b"\r\n"
