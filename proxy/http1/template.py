"""Blocks of fields that differ in a few values only, as most blocks of one connection do. Pure.

A template is a block with blanks, which the next block fills in: to read the blanks takes a
fraction of the time that the block takes. `http1.fields` says which values may differ, and what
that changes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import compress
from typing import Final

from proxy.http1.grammar import VALUE_BYTES

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
        "_behind",
        "_blanks",
        "_block",
        "_first",
        "_free",
        "_names",
        "_passing",
        "_sent",
        "blanked",
        "cookies",
        "gone",
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
        self._first = block
        """The text before the first blank."""
        self._behind: list[tuple[bytes, int]] = []
        """For each blank, the text between it and the next one, and how long its value is in the
        example: there the text is looked for first. Each text begins with the end of a line."""
        self.cookies = False
        """Whether a blank may have cookies."""
        self.gone: list[int] = []
        """The blanks whose lines are not passed on, the last one first."""
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
        texts: list[bytes] = []
        lengths: list[int] = []
        behind: list[bytes] = []
        start = 0
        for number, place in enumerate(sorted(self._blanks)):
            name_and_colon = lines[place].partition(b":")[0] + b":"
            texts.append(b"\r\n".join([*behind, *lines[start:place], name_and_colon]))
            lengths.append(len(lines[place]) - len(name_and_colon))
            self.cookies = self.cookies or b"cookie" in name_and_colon.lower()
            behind, start = [b""], place + 1
            lines[place] = name_and_colon + BLANK
            if name := self._names[place]:
                self.named.append((number, name))
            if not self._passing[place]:
                self.gone.insert(0, number)
        texts.append(b"\r\n".join([*behind, *lines[start:]]))
        self._first = texts[0]
        self._behind = list(zip(texts[1:], lengths, strict=True))
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
        found = self.read_at(block, 0)
        return found[0] if found is not None and found[1] == len(block) else None

    def read_at(self, data: bytes, start: int) -> tuple[list[bytes], int] | None:
        """(the values for the blanks; where the block ends), for the block that begins at `start`
        in `data`; None where it does not come of this template, or only by a place of the text
        other than the first that is tried."""
        if not data.startswith(self._first, start):
            return None
        values = []
        at = start + len(self._first)
        for text, length in self._behind:
            end = at + length
            if not data.startswith(text, end):
                end = data.find(text, at)
                if end < 0:
                    return None
            value = data[at:end]
            if value.translate(None, VALUE_BYTES):  # no value holds the end of a line
                return None
            values.append(value)
            at = end + len(text)
        return values, at

    def passed_on(self, values: Sequence[bytes]) -> bytes:
        """The lines that are passed on, each with its CRLF, with `values` in the blanks."""
        return self._sent % tuple(self.passing(values))

    def passing(self, values: Sequence[bytes]) -> list[bytes]:
        """Those of `values` that are passed on."""
        passing = list(values)
        for number in self.gone:
            del passing[number]
        return passing

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
