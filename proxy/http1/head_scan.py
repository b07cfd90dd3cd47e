"""A request's head as it arrives in pieces: how large it may be, and where it ends. Pure.

Numbers in brackets are sections of RFC 9112.

Tested in `tests/proxy/http1/test_grammar.py`.
"""

from __future__ import annotations

from typing import NamedTuple

from proxy.http1.faults import Fault, Malformed
from proxy.http1.grammar import field_line, request_line


class Limits(NamedTuple):
    """How large a head may be."""

    head_size: int
    """In bytes, as the next one."""
    line_size: int
    """Without the CRLF."""
    fields: int
    """How many field lines."""

    @property
    def unmeasured(self) -> int:
        """Bytes of a head that is small enough, whichever of its lines is the longest."""
        return min(self.head_size, self.line_size)


class HeadScan:
    """Checks a head line by line as it arrives, so that a malformed one is refused at once.

    The result does not depend on how the bytes were split: lines are checked in their order, and of
    each line its length, then its end, then its grammar. It is slow; a head that arrives whole and
    matches `FIELD_BLOCK` does not need it.
    """

    __slots__ = ("_at", "_lines", "limits", "start")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._at = self._lines = 0
        self.start = 0
        """Where the head begins: after the one empty line that may precede it [2.2]."""

    def feed(self, buffer: bytes | bytearray) -> int:
        """The end of the head in `buffer`, or 0 while it is incomplete. `buffer` has all bytes so
        far.

        Raises `Malformed` (400, 414, 431, or as `request_line` does).
        """
        while (line_feed := buffer.find(b"\n", self._at)) >= 0:
            self._bound(line_feed - self._at - 1, line_feed + 1)
            line = bytes(buffer[self._at : line_feed])
            if not line.endswith(b"\r"):
                raise Malformed(Fault.LINE_END)
            self._at = line_feed + 1
            if self._check(line[:-1]):
                return self._at
        self._bound(len(buffer) - self._at - 1, len(buffer))
        return 0

    def _bound(self, line_length: int, total: int) -> None:
        if line_length > self.limits.line_size:
            raise Malformed(Fault.FIELD_SIZE if self._lines else Fault.REQUEST_LINE_SIZE)
        if total - self.start > self.limits.head_size:
            raise Malformed(Fault.HEAD_SIZE)

    def _check(self, line: bytes) -> bool:
        """Check a line. Returns whether it ends the head."""
        if self._lines == 0:
            if not line and not self.start:
                self.start = self._at
                return False
            request_line(line)
        elif not line:
            return True
        elif self._lines > self.limits.fields:
            raise Malformed(Fault.FIELD_COUNT)
        elif not field_line(line):
            raise Malformed(Fault.FIELD)
        self._lines += 1
        return False
