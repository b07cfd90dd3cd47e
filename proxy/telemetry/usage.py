"""The usage of keys, counted in memory and written at intervals, never for each request."""

from __future__ import annotations

from typing import Final

from proxy.domain.model import StoreUnavailable
from proxy.store.protocols import UsageSink, Uses

MAX_GATHERED: Final = 65_536
"""Keys whose usage waits to be written, where the store is away. That of others is lost."""


class UsageRecorder:
    """Counts the uses of keys since the last write."""

    def __init__(self, sink: UsageSink) -> None:
        self._sink = sink
        self._gathered: dict[int, Uses] = {}

    def note(self, key_id: int, time: int, address: str, previous: bool = False) -> None:
        """Count a use of a key at `time`, in milliseconds since the epoch, from `address`.
        `previous`: with the secret before its last rotation."""
        use = self._gathered.get(key_id)
        if use is not None:
            use.count += 1
            use.time = time
            use.address = address
        elif len(self._gathered) < MAX_GATHERED:
            use = self._gathered[key_id] = Uses(time, address, 1)
        if previous and use is not None:
            use.previous = time

    async def write(self) -> None:
        """Write what was counted. Raises `StoreUnavailable`; the counts are kept then."""
        uses, self._gathered = self._gathered, {}
        if not uses:
            return
        try:
            await self._sink.record_usage(uses, {})
        except StoreUnavailable:
            for key_id, use in uses.items():
                later = self._gathered.setdefault(key_id, use)
                if later is not use:
                    later.count += use.count
                    later.previous = later.previous or use.previous
            raise
