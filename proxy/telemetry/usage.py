"""Uses of keys, gathered in memory and written down together: never a write for a request."""

from __future__ import annotations

from typing import Final

from proxy.domain.model import StoreUnavailable
from proxy.store.protocols import Usage, UsageSink

MAX_GATHERED: Final = 65_536
"""Keys whose uses wait to be written down, where the store does not take them; others are lost."""


class UsageRecorder:
    """What was used since the last time that it was written down."""

    def __init__(self, sink: UsageSink) -> None:
        self._sink = sink
        self._gathered: dict[int, Usage] = {}

    def note(self, key_id: int, time: int, address: str) -> None:
        """A key was used, at `time` in milliseconds since the epoch."""
        use = self._gathered.get(key_id)
        if use is not None:
            use.count += 1
            use.time = time
            use.address = address
        elif len(self._gathered) < MAX_GATHERED:
            self._gathered[key_id] = Usage(time, address, 1)

    async def write(self) -> None:
        """Write down what was gathered. Raises `StoreUnavailable`; then all of it is kept."""
        uses, self._gathered = self._gathered, {}
        if not uses:
            return
        try:
            await self._sink.record_usage(uses)
        except StoreUnavailable:
            for key_id, use in uses.items():
                later = self._gathered.setdefault(key_id, use)
                if later is not use:
                    later.count += use.count
            raise
