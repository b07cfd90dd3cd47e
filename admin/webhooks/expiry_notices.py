"""Tells webhooks of keys that expire soon: once for each key, expiry and number of days."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from proxy.domain.events import EventType, expiring
from proxy.domain.usage import DAY
from proxy.store.protocols import Store

EVERY: Final = 10 * 60 * 1000
"""Milliseconds between two looks: each reads all keys that expire soon, in an index."""
BATCH: Final = 200
"""Keys that are told of in one transaction, for which other changes wait."""


class ExpiryNotices:
    """Finds keys that expire within some days, and announces that."""

    def __init__(
        self,
        store: Store,
        clock: Callable[[], int],
        days: Callable[[], Sequence[int]],
        wanting: Callable[[str], Sequence[str]],
    ) -> None:
        """`clock` returns milliseconds since the epoch, `days` within how many days before its
        expiry a key is told of, `wanting` the webhooks that want events of a type."""
        self._store = store
        self._clock = clock
        self._days = days
        self._wanting = wanting
        self._next = 0

    async def tick(self) -> None:
        """Announce what is new, if it is time to look. Raises `StoreUnavailable`."""
        now = self._clock()
        if now < self._next or not self._wanting(EventType.KEY_EXPIRING):
            return
        for days in sorted(self._days()):  # the nearest first: it stands for those beyond it
            told = BATCH
            while told == BATCH:
                told = await self._tell(days)
        self._next = now + EVERY

    async def _tell(self, days: int) -> int:
        now = self._clock()
        keys = await self._store.list_expiring(now, days * DAY, days, BATCH)
        if not keys:
            return 0
        async with self._store.write() as change:
            keys = await change.list_expiring(now, days * DAY, days, BATCH)
            await change.note_expiring(keys, days)
            for key in keys:
                await change.announce(expiring(key, days, now))
        return len(keys)
