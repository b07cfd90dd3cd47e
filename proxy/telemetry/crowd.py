"""Which refused guesses have a line in the access log: a flood of them must not fill the disk.

The rule that lives here: between two flushes of the log, which are a second apart, so many of them
have a line of their own, and the first of each reason has. The others of a reason share one: it is
that of the last of them, and says how many they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

MOST: Final = 100
"""Lines a second, by default. People who mistype make fewer."""

Line: TypeAlias = Callable[[bytes], bytes]
"""Makes a line of the access log with a time."""


class Crowd:
    """The refused guesses since the last flush of the log."""

    __slots__ = ("_counts", "_last", "_most", "_room")

    def __init__(self) -> None:
        self._most = self._room = MOST
        self._counts: dict[str, int] = {}
        """How many share a line, by the code of their reason; 0: the first of them had its own."""
        self._last: dict[str, tuple[int, Line]] = {}

    def bound(self, most: int) -> None:
        """From now on, so many have a line of their own between two flushes."""
        self._room += most - self._most
        self._most = most

    def takes(self, code: str, now: int, line: Line) -> bool:
        """Count one with this reason that ended `now`, in milliseconds since the epoch. Returns
        whether `line` is kept, to be written for it and others; otherwise it has its own."""
        counts = self._counts
        if self._room > 0 or code not in counts:
            self._room -= 1
            counts.setdefault(code, 0)
            return False
        counts[code] += 1
        self._last[code] = now, line
        return True

    def leave(self) -> Iterator[tuple[int, Line, int]]:
        """The lines that are shared: (when the last one ended, its line, how many share it). Then
        there is room for others."""
        counts, last = self._counts, self._last
        self._room, self._counts, self._last = self._most, {}, {}
        for code, (now, line) in last.items():
            yield now, line, counts[code]
