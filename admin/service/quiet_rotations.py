"""Ends rotations whose old secret has gone unused for as long as was asked for.

The rule that lives here: what was not seen is no evidence. Uses that wait to be written are written
first, and a server that has just started waits for those who could not reach it meanwhile.

Tested in `tests/admin/api/test_rotation_evidence.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from admin.service.base import difference
from admin.service.rotation import without_previous
from proxy.domain.audit import Actor, Entry
from proxy.store.protocols import Store

SETTLING: Final = 60 * 60 * 1000
"""Milliseconds after a start for which no secret ends: those who could not reach the server while
it was stopped try again meanwhile."""
BATCH: Final = 500
"""Keys that are changed in one transaction, for which other changes wait."""


class QuietRotations:
    """Ends the old secrets of keys that are rotated with `finishWhenQuiet`."""

    def __init__(
        self,
        store: Store,
        clock: Callable[[], int],
        write_uses: Callable[[], Awaitable[None]],
    ) -> None:
        """`clock` returns milliseconds since the epoch; `write_uses` writes what is known of uses,
        or raises `StoreUnavailable`."""
        self._store = store
        self._clock = clock
        self._write_uses = write_uses
        self._started = clock()

    async def tick(self) -> None:
        """Look for secrets that end now, and end them. Raises `StoreUnavailable`."""
        now = self._clock()
        if now - self._started < SETTLING or not await self._store.list_quiet(now, 1):
            return
        await self._write_uses()
        ended = BATCH
        while ended == BATCH:
            ended = await self._end_some()

    async def _end_some(self) -> int:
        async with self._store.write() as change:
            now = change.now(self._clock)
            keys = await change.list_quiet(now, BATCH)
            for old in keys:
                key = without_previous(old)
                before, after = difference(old, key)
                await change.record(
                    Entry(now, Actor(), "key.finish_rotation", key.ref, before, after)
                )
                await change.put(key)
        return len(keys)
