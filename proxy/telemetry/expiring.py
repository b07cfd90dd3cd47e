"""How many keys expire soon, counted now and then and not at each scrape: the store may hold
hundreds of thousands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from proxy.domain.usage import DAY
from proxy.store.protocols import Reader

WITHIN: Final = (1, 7, 30)
"""Days."""


class ExpiringKeys:
    """Active keys that expire within some days."""

    def __init__(self, reader: Reader, clock: Callable[[], int]) -> None:
        """`clock` returns milliseconds since the epoch."""
        self._reader = reader
        self._clock = clock
        self.counts: list[tuple[int, int]] = []
        """(days, keys that expire within them), as of the last `count`; empty before it."""

    async def count(self) -> None:
        """Count them. Raises `StoreUnavailable`."""
        now = self._clock()
        found = await self._reader.count_expiring(now, [now + days * DAY for days in WITHIN])
        self.counts = list(zip(WITHIN, found, strict=True))
