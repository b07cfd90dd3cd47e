"""Deletes what is older than the configuration allows: entries of the audit log, older than the
setting `audit_retention` says, usage, older than `usage_retention` says, and messages to webhooks.

The rule that lives here: entries go from the beginning of the log alone, and each batch leaves an
entry with the head of the last one, so that the rest still verifies (`domain.audit_chain`).
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Final

from proxy.domain.errors import StoreUnavailable
from proxy.store.protocols import Store, Transaction

DAY: Final = 24 * 3600
"""Seconds."""
INTERVAL: Final[float] = DAY
"""Seconds between two looks at what is old."""
DELIVERY_DAYS: Final = 30
"""Days for which messages to webhooks are kept: ten times as long as they are tried."""
BATCH: Final = 10_000
"""What is deleted in one transaction, for which other changes wait: some 100 ms."""

log = logging.getLogger("wardgate")


class Retention(ABC):
    """Keeps something in a store for so many days."""

    whole: ClassVar[str]
    """What is kept, for the log."""
    parts: ClassVar[str]
    """What it consists of."""

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
                    text = "deleted %d %s of %s, older than %d days"
                    log.info(text, deleted, self.parts, self.whole, self._days)
            except StoreUnavailable as error:
                log.warning("%s keeps %s that are too old: %s", self.whole, self.parts, error)
            await asyncio.sleep(INTERVAL)

    async def prune(self) -> int:
        """Delete what is too old. Returns how much. Raises `StoreUnavailable`."""
        total, deleted = 0, BATCH
        while deleted == BATCH:
            async with self._store.write() as change:
                now = change.now(self._clock)
                deleted = await self._delete(change, now - self._days * DAY * 1000, now)
            total += deleted
        return total

    @abstractmethod
    async def _delete(self, change: Transaction, before: int, now: int) -> int:
        """Delete a batch of what is older than `before`. Returns how much."""


class AuditRetention(Retention):
    """Keeps the audit log."""

    whole, parts = "the audit log", "entries"

    async def _delete(self, change: Transaction, before: int, now: int) -> int:
        return await change.prune_audit(before, BATCH, now)


class UsageRetention(Retention):
    """Keeps the usage."""

    whole, parts = "the usage", "counters"

    async def _delete(self, change: Transaction, before: int, now: int) -> int:
        return await change.prune_usage(before, BATCH)


class DeliveryRetention(Retention):
    """Keeps the messages to webhooks."""

    whole, parts = "the messages to webhooks", "messages"

    async def _delete(self, change: Transaction, before: int, now: int) -> int:
        return await change.prune_deliveries(before, BATCH)
