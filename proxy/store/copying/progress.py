"""Says how far a copy is, where that takes long. Tested in `test_progress.py`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

EVERY: Final = 2.0
"""Seconds between two messages."""


class Progress:
    """Implements `copy.Report`."""

    def __init__(
        self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._say = say
        self._clock = clock
        self._next = clock() + EVERY

    def __call__(self, table: str, rows: int, total: int) -> None:
        """So many rows of a table are copied, of so many."""
        now = self._clock()
        if now >= self._next:
            self._next = now + EVERY
            self._say(f"{table}: {rows:,} of {total:,} rows")
