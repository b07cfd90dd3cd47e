"""Deletes entries of the audit log that are older than the setting `audit_retention` allows.

The rule that lives here: entries go from the beginning of the log alone, and each batch leaves an
entry with the head of the last one, so that the rest still verifies (`domain.audit_chain`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from proxy.domain.model import StoreUnavailable
from proxy.store.protocols import Store

DAY: Final = 24 * 3600
"""Seconds."""
INTERVAL: Final[float] = DAY
"""Seconds between two looks at the log."""
BATCH: Final = 10_000
"""Entries in one transaction, for which other changes wait: some 100 ms."""

log = logging.getLogger("wardgate")


class AuditRetention:
    """Keeps the audit log of a store for so many days."""

    def __init__(self, store: Store, days: int, clock: Callable[[], int]) -> None:
        """`clock` returns milliseconds since the epoch."""
        self._store = store
        self._days = days
        self._clock = clock

    async def run(self) -> None:
        """Delete what is too old now, and once a day."""
        while True:
            try:
                deleted = await self.prune()
                if deleted:
                    text = "deleted %d entries of the audit log, older than %d days"
                    log.info(text, deleted, self._days)
            except StoreUnavailable as error:
                log.warning("the audit log keeps entries that are too old: %s", error)
            await asyncio.sleep(INTERVAL)

    async def prune(self) -> int:
        """Delete what is too old. Returns how many entries. Raises `StoreUnavailable`."""
        now, total = self._clock(), 0
        deleted = BATCH
        while deleted == BATCH:
            async with self._store.write() as change:
                before = now - self._days * DAY * 1000
                deleted = await change.prune_audit(before, BATCH, now)
            total += deleted
        return total
