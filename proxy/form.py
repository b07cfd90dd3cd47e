"""Blocks of fields that differ in some values only, as those of one connection mostly do: a form
with blanks, which the next block fills in. Reading that takes a fraction of reading it all. Pure.

Whose values may differ, and what that changes, is for `proxy.fields` to say.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import compress
from typing import Final

from proxy.http1 import field_value

_BLANK: Final = b"\0"
"""Marks one; no field line holds it."""


class Form:
    """A block of fields, with blanks for the values of some lines."""

    __slots__ = (
        "_blanks",
        "_filled",
        "_free",
        "_last",
        "_lines",
        "_names",
        "_passing",
        "_sent",
        "_texts",
        "read",
    )

    def __init__(
        self,
        lines: list[bytes],
        names: Sequence[bytes | None],
        passing: Sequence[bool],
        free: Collection[bytes],
        blanks: frozenset[int] = frozenset(),
    ) -> None:
        """`lines` are those of a block that fits, which `FIELD_BLOCK` matched, with the two empty
        ones at the end. For each of the others, `names` has the name under which it is read, None
        where it is not, and `passing` whether it is passed on. Values may differ where the name is
        None or in `free`; they do in the lines `blanks`."""
        self._lines = lines
        self._names = names
        self._passing = passing
        self._free = free
        self._blanks = blanks
        self._texts: list[bytes] = []
        """What stands before each blank, since the one before it,"""
        self._last = b""
        """and what stands behind the last one."""
        self._filled: list[bool] = []
        """Of each blank, whether it is passed on."""
        self.read: list[tuple[int, bytes]] = []
        """Of the values that are read: their number, and the name."""
        lines = self._leave_blank()
        sent = b"\r\n".join([*compress(lines, passing), b""])
        self._sent = sent.replace(b"%", b"%%").replace(_BLANK, b"%b")
        """What is passed on, as a format for the values."""

    def _leave_blank(self) -> list[bytes]:
        lines = list(self._lines)
        behind: list[bytes] = []
        start = 0
        for place in sorted(self._blanks):
            spelt = lines[place].partition(b":")[0] + b":"
            self._texts.append(b"\r\n".join([*behind, *lines[start:place], spelt]))
            behind, start = [b""], place + 1
            lines[place] = spelt + _BLANK
            if name := self._names[place]:
                self.read.append((len(self._filled), name))
            self._filled.append(self._passing[place])
        self._last = b"\r\n".join([*behind, *lines[start:]])
        return lines

    def fit(self, block: bytes) -> tuple[Form, list[bytes]] | None:
        """The form of `block`, this one or one with more blanks, and the values for those; None
        where it has another form, or is no block of fields."""
        values = self._read(block)
        if values is not None:
            return self, values
        wider = self._widened(block)
        values = wider._read(block) if wider else None
        return (wider, values) if wider and values is not None else None

    def _read(self, block: bytes) -> list[bytes] | None:
        values = []
        at = 0
        for text in self._texts:
            if not block.startswith(text, at):
                return None
            at += len(text)
            end = block.find(b"\r\n", at)  # there is one: the block ends in two
            value = block[at:end]
            if not field_value(value):
                return None
            values.append(value)
            at = end
        return values if block[at:] == self._last else None

    def passed_on(self, values: Sequence[bytes]) -> bytes:
        """The lines that are passed on, each with its CRLF, where `values` are in the blanks."""
        return self._sent % tuple(compress(values, self._filled))

    def _widened(self, block: bytes) -> Form | None:
        """With blanks wherever `block` differs; None where there may be none."""
        lines, mine = block.split(b"\r\n"), self._lines
        if len(lines) != len(mine):
            return None
        blanks = set(self._blanks)
        for place, (line, was) in enumerate(zip(lines, mine, strict=True)):
            if line != was:
                name = line.partition(b":")[0] + b":"
                if not (was.startswith(name) and self._is_free(place)):
                    return None
                blanks.add(place)
        return Form(lines, self._names, self._passing, self._free, frozenset(blanks))

    def _is_free(self, place: int) -> bool:
        name = self._names[place]
        return name is None or (name in self._free and self._names.count(name) == 1)
