"""Blocks of fields that differ in a few values only, as most blocks of one connection do. Pure.

A template is a block with blanks, which the next block fills in: to read the blanks takes a
fraction of the time that the block takes. `http1.fields` says which values may differ, and what
that changes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import compress
from typing import Final

from proxy.http1.grammar import field_value

MAX_BLANKS: Final = 8
"""Requests differ in an id, a time, a signature. Where much more differs, to read the block afresh
takes no longer than to compare it."""
BLANK: Final = b"\0"
"""Marks a blank; no head holds this byte."""


def as_format(text: bytes) -> bytes:
    """`text` as a format for the values of its blanks."""
    return text.replace(b"%", b"%%").replace(BLANK, b"%b")


class Template:
    """A block of fields, with blanks for the values of some lines."""

    __slots__ = (
        "_blanks",
        "_block",
        "_filled",
        "_free",
        "_last",
        "_names",
        "_passing",
        "_sent",
        "_texts",
        "blanked",
        "named",
    )

    def __init__(
        self,
        block: bytes,
        names: Sequence[bytes | None],
        passing: Sequence[bool],
        free: Collection[bytes],
        blanks: frozenset[int] = frozenset(),
    ) -> None:
        """`block` is an example, which `FIELD_BLOCK` matched. For each of its lines, `names` has
        the name under which it is read here, None where it is not read, and `passing` whether it is
        passed on, as the empty line at its end is. Values may differ where the name is None or in
        `free`; those of the lines `blanks` do."""
        self._block = block
        self._names = names
        self._passing = passing
        self._free = free
        self._blanks = blanks
        self._texts: list[bytes] = []
        """The text before each blank, from the end of the blank before it."""
        self._last = b""
        """The text after the last blank."""
        self._filled: list[bool] = []
        """For each blank, whether its line is passed on."""
        self.blanked = b""
        """The lines that are passed on, with blanks; empty where there are none."""
        self._sent = b""
        """The same as a format for the values."""
        self.named: list[tuple[int, bytes]] = []
        """The blanks that are read here: (number, name)."""
        if blanks:
            self._leave_blank()

    def _leave_blank(self) -> None:
        lines = self._block.split(b"\r\n")
        behind: list[bytes] = []
        start = 0
        for place in sorted(self._blanks):
            name_and_colon = lines[place].partition(b":")[0] + b":"
            self._texts.append(b"\r\n".join([*behind, *lines[start:place], name_and_colon]))
            behind, start = [b""], place + 1
            lines[place] = name_and_colon + BLANK
            if name := self._names[place]:
                self.named.append((len(self._filled), name))
            self._filled.append(self._passing[place])
        self._last = b"\r\n".join([*behind, *lines[start:]])
        self.blanked = passed_on(lines, self._passing)
        self._sent = as_format(self.blanked)

    def fit(self, block: bytes) -> tuple[Template, list[bytes]] | None:
        """(the template that `block` fits, the values for its blanks). It is this template or one
        with more blanks. None where `block` fits neither, or is no block of fields."""
        values = self.read(block)
        if values is not None:
            return self, values
        wider = self._widened(block)
        values = wider.read(block) if wider else None
        return (wider, values) if wider and values is not None else None

    def read(self, block: bytes) -> list[bytes] | None:
        """The values for the blanks, by which `block` comes of this template; None where it does
        not."""
        if not self._blanks:
            return [] if block == self._block else None
        values = []
        at = 0
        for text in self._texts:
            if not block.startswith(text, at):
                return None
            at += len(text)
            end = block.find(b"\r\n", at)
            value = block[at:end]
            if end < 0 or not field_value(value):
                return None
            values.append(value)
            at = end
        return values if block[at:] == self._last else None

    def passed_on(self, values: Sequence[bytes]) -> bytes:
        """The lines that are passed on, each with its CRLF, with `values` in the blanks."""
        return self._sent % self.passing(values)

    def passing(self, values: Sequence[bytes]) -> tuple[bytes, ...]:
        """Those of `values` that are passed on."""
        return tuple(compress(values, self._filled))

    def _widened(self, block: bytes) -> Template | None:
        """A template with blanks wherever `block` differs too; None where a value may not
        differ."""
        lines, mine = block.split(b"\r\n"), self._block.split(b"\r\n")
        if len(lines) != len(mine):
            return None
        blanks = set(self._blanks)
        for place, (line, was) in enumerate(zip(lines, mine, strict=True)):
            if line != was:
                name = line.partition(b":")[0] + b":"
                if not (was.startswith(name) and self._is_free(place)):
                    return None
                blanks.add(place)
                if len(blanks) > MAX_BLANKS:
                    return None
        return Template(block, self._names, self._passing, self._free, frozenset(blanks))

    def _is_free(self, place: int) -> bool:
        name = self._names[place]
        return name is None or (name in self._free and self._names.count(name) == 1)


def passed_on(lines: Sequence[bytes], passing: Sequence[bool]) -> bytes:
    """The `lines` that are `passing`, each with its CRLF."""
    return b"\r\n".join(compress(lines, passing))
