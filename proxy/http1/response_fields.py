"""What the fields of a response say: body framing, the connection, and which lines are passed on.

As `http1.fields`, with fewer rules: an upstream is configured, and does not forge. Pure, no I/O.
"""

from __future__ import annotations

from typing import Final

from proxy.http1 import redirects
from proxy.http1.cookies import MARK, without_setting_own
from proxy.http1.faults import Fault, Malformed
from proxy.http1.fields import (
    HOP_BY_HOP,
    OF_THE_CONNECTION,
    Known,
    Sort,
    hold_back,
    read_framing,
    sort_out,
    tokens,
)
from proxy.http1.template import BLANK, Template, passed_on

_NOTED: Final = frozenset({b"content-length", b"transfer-encoding", b"connection", b"upgrade"})
"""Read by the gateway, and not passed on as they were received."""
_READ: Final = redirects.NAMES | {b"date"}
"""Read by the gateway, and passed on. Only whether they are there matters."""
_STRIPPED: Final = HOP_BY_HOP | {b"x-request-id", b"wardgate-key-expires"}
"""The last two are the gateway's own."""


def _sort(sent: bytes) -> Sort:
    """(the name under which a field is read here, None where it is not read; whether it is passed
    on), for its name as it was sent."""
    name = sent.lower()
    if name in _NOTED or name in _READ:
        return name, name in _READ
    return None, name not in _STRIPPED


_KNOWN: Final = Known(_sort)


_FREE: Final = _READ | {b"content-length"}
"""Read here, and their values may differ between responses that are alike otherwise."""


class ResponseFields:
    """What a block of response fields says by itself."""

    __slots__ = (
        "_length_at",
        "_template",
        "chunked",
        "close",
        "dated",
        "end_to_end",
        "fault",
        "framing",
        "keep_alive",
        "length",
        "located",
        "own_values",
        "required",
        "upgrade",
    )

    def __init__(self, block: bytes) -> None:
        """Read `block`, which `FIELD_BLOCK` matched. Raises `Malformed`; the client then gets
        502."""
        if MARK in block:
            block = without_setting_own(block)
        lines = block.split(b"\r\n")
        noted, names, passing = sort_out(lines, _KNOWN)
        self._frame(noted.get(b"content-length", []), noted.get(b"transfer-encoding", []))
        named = tokens(noted[b"connection"]) if b"connection" in noted else []
        self.close = b"close" in named
        self.keep_alive = b"keep-alive" in named
        offered = noted.get(b"upgrade", [])
        self.required = b", ".join(value.strip(b" \t") for value in offered)
        """The value of Upgrade, as a 426 has it; empty where there is none."""
        agreed = offered if b"upgrade" in named else None
        self.upgrade = b",".join(tokens(agreed)) if agreed else None
        """The protocols in Upgrade, in lower case; None where Connection does not name it."""
        gone = set(named) - OF_THE_CONNECTION
        self.dated = b"date" in noted and b"date" not in gone
        """Whether a Date is passed on."""
        self.located = not redirects.NAMES.isdisjoint(noted)
        """Whether there may be redirects (`http1.redirects`)."""
        hold_back(gone, lines, passing)
        self.end_to_end = passed_on(lines, passing)
        self._template = Template(block, names, passing, _FREE)
        self._length_at: int | None = None
        """The number of the value that is the Content-Length, where that may differ."""
        self.own_values: list[bytes] = []
        """The values in which the next block may differ."""

    def again(self, block: bytes) -> ResponseFields | None:
        """As `RequestFields.again`, for the next response; its Content-Length may differ."""
        if self.fault is not None:
            return None  # a good Content-Length would not mend that
        if MARK in block and block != without_setting_own(block):
            return None
        fitting = self._template.fit(block)
        if fitting is None:
            return None
        template, values = fitting
        if not values:
            return self
        again = ResponseFields.__new__(ResponseFields)
        again.length, again.chunked, again.framing = self.length, self.chunked, self.framing
        again.close, again.keep_alive, again.fault = self.close, self.keep_alive, None
        again.upgrade, again.required = self.upgrade, self.required
        again.dated, again.located = self.dated, self.located
        again._length_at = None
        again._template, again.own_values = template, template.passing(values)
        for number, name in template.named:
            if name == b"content-length":
                again._frame(values[number : number + 1], [])
                if again.length is not None:
                    again._length_at = number
                    again.own_values.append(b"%d" % again.length)
        again.end_to_end = template.passed_on(values)
        return again

    def differing(self, data: bytes, start: int) -> tuple[list[bytes], int] | None:
        """(the values in which the block that begins at `start` in `data` differs from this one,
        for the blanks of `blanked`; where it ends), if the rest of `data` is as long as its
        Content-Length says. None otherwise, where the block has to be read, and where it is no
        block of fields."""
        template, blank = self._template, self._length_at
        found = template.read_at(data, start)
        if found is None or (template.cookies and data.find(MARK, start, found[1]) >= 0):
            return None
        values, end = found
        if blank is None:
            return (template.passing(values), end) if self.length == len(data) - end else None
        length = b"%d" % (len(data) - end)
        if values[blank].strip(b" ") != length:
            return None
        for number in template.gone:
            del values[number]
        values.append(length)
        return found  # with these values

    @property
    def blanked(self) -> bytes:
        """`end_to_end` and `framing`, with a `BLANK` for each of `own_values`."""
        if not self.own_values:
            return self.end_to_end + self.framing
        varies = self._length_at is not None
        framing = b"Content-Length: %b\r\n" % BLANK if varies else self.framing
        return self._template.blanked + framing

    def _frame(self, length: list[bytes], coding: list[bytes]) -> None:
        self.fault: Fault | None = None
        """What is wrong with the framing. The status says whether that matters."""
        try:
            self.length, self.chunked = read_framing(length, coding)
        except Malformed as malformed:
            self.length, self.chunked, self.fault = None, False, malformed.fault
        self.framing = b"" if self.length is None else b"Content-Length: %d\r\n" % self.length
        """The field line with the length, or nothing."""
