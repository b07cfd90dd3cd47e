"""How many connections each source has to all workers, in shared memory.

The rule that lives here: a count is never less than it is, so that nobody gets more connections. It
may be more: names share cells by a keyed hash, and the least of two rows counts (a count-min
sketch; Cormode and Muthukrishnan, 2005). What a worker has counted ends with it.

Tested in `tests/proxy/workers/test_sources.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from proxy.processes.shared import NAMES, ROWS, SharedState
from proxy.workers.sharing import derived


class SharedCounts:
    """Implements `gateway.process.SourceCounts`."""

    def __init__(self, state: SharedState, slot: int, generation: int, secret: bytes) -> None:
        """Of the worker in a slot, of a generation of the program. `secret` is one that all
        processes of the master have."""
        self._key = derived(secret, b"sources")
        self._count = state.count
        self._own = state.counts(slot, generation)

    def count(self, source: str) -> int:
        """Implements `SourceCounts`."""
        return min(map(self._count, self._cells(source)))

    def enter(self, source: str) -> None:
        """Implements `SourceCounts`."""
        for cell in self._cells(source):
            self._own[cell] = min(self._own[cell] + 1, 0xFFFF)

    def leave(self, source: str) -> None:
        """Implements `SourceCounts`."""
        for cell in self._cells(source):
            self._own[cell] = max(self._own[cell] - 1, 0)

    def _cells(self, source: str) -> Iterator[int]:
        """One of each row."""
        digest = hashlib.blake2b(source.encode(), digest_size=4 * ROWS, key=self._key).digest()
        for row in range(ROWS):
            yield row * NAMES + int.from_bytes(digest[4 * row : 4 * row + 4]) % NAMES
