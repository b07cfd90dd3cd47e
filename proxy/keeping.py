"""What the process with the store does for the workers on its machine.

Tested in `tests/test_workers.py`.
"""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from typing import Final

from proxy.domain.lease import boottime
from proxy.gateway.server import Gateway
from proxy.metrics.reports import Reports
from proxy.processes.inherited import Shared
from proxy.store.protocols import Store
from proxy.workers.hub import Hub
from proxy.workers.sharing import shared_cells

BEAT: Final = 1.0
"""Seconds between two signs of life."""
ORPHANED: Final = 3_600.0
"""Seconds for which workers may drain after their master was killed."""


class Keeping:
    """Tells workers what changes, answers them, and collects what they report."""

    def __init__(self, store: Store, shared: Shared) -> None:
        self.hub = Hub(store, shared.state, shared.bus)
        self.reports = Reports(self.hub.reports, counted_file(shared.bus))
        self._urls = shared.urls
        self.cells = shared_cells(shared.state, shared.secret)
        """The budgets of wrong guesses, at any worker and at the admin server."""
        self.hub.last_report = self.reports.take
        self.hub.left = self.reports.left
        self._state = shared.state
        self._master = os.getppid()

    def urls(self, *, tls: bool) -> list[str]:
        """Where workers serve clients. A reload may have switched TLS on or off since the master
        named its sockets."""
        scheme = "https://" if tls else "http://"
        return [re.sub("^https?://", scheme, url) for url in self._urls]

    def set_lease(self, until: float) -> None:
        """Let workers go by what they were told until then, in seconds of `boottime`."""
        self._state.fresh_until = until

    async def start(self) -> None:
        """Listen for workers. Raises `OSError`."""
        await self.hub.start()

    async def run(self) -> None:
        """Give signs of life, and ask for reports, for ever."""
        await asyncio.gather(self._beat(), self.reports.run())

    async def _beat(self) -> None:
        while True:
            self._state.keeper_beat = boottime()
            await asyncio.sleep(BEAT)

    async def stop(self) -> bool:
        """Let go of the workers. Returns whether they serve on, and another process is to take this
        one's place: the master ends its workers first. Those of a master that was killed are waited
        for, as they need the store until they have drained."""
        deadline = boottime() + ORPHANED
        while self.hub.workers and self._is_orphan() and boottime() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        self.hub.close()
        return self._state.alive > 0 and not self._is_orphan()

    def _is_orphan(self) -> bool:
        return os.getppid() != self._master


def counted_file(bus: str) -> Path:
    """Where the keeper with this socket keeps what workers have counted that have ended."""
    return Path(f"{bus}.counted")


def urls_of(gateway: Gateway, keeping: Keeping | None) -> list[str]:
    """Where the gateway serves clients, or with `keeping`, where its workers do."""
    if keeping is None:
        return gateway.urls
    return keeping.urls(tls=gateway.config.tls is not None)
