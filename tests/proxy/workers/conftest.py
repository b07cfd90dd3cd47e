"""A real store, with a hub and links to it as a keeper and its workers have them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest_asyncio

from proxy.processes.shared import SharedState
from proxy.store.open import open_store
from proxy.store.protocols import Changes, Store
from proxy.workers.hub import Hub
from proxy.workers.link import Link


@dataclass
class Machine:
    """The keeper's part, and workers that connect to it."""

    store: Store
    state: SharedState
    path: str
    hub: Hub
    stack: AsyncExitStack
    told: dict[Link, list[Changes | None]] = field(default_factory=dict)
    """What each worker was told."""

    async def connect(self, slot: int = 0) -> Link:
        """One more worker."""
        link = Link(self.path, slot, self.state)
        self.told[link] = []
        link.listener = self.told[link].append
        await link.start()
        self.stack.push_async_callback(link.stop)
        return link

    async def restart_hub(self) -> None:
        """Another keeper takes the place of the one before."""
        self.hub.close()
        Path(self.path).unlink(missing_ok=True)
        self.hub = Hub(self.store, self.state, self.path)
        self.store.subscribe(self.hub.apply)
        await self.hub.start()
        self.stack.callback(self.hub.close)


Connect = Callable[[int], Coroutine[Any, Any, Link]]


@pytest_asyncio.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    """A keeper without any worker."""
    async with AsyncExitStack() as stack:
        store = await open_store(f"sqlite:///{tmp_path}/var/wardgate.db", create=True)
        stack.push_async_callback(store.close)
        state = SharedState.create(2)
        stack.callback(state.close)
        state.fresh_until = float("inf")
        path = str(tmp_path / "bus")
        hub = Hub(store, state, path)
        store.subscribe(hub.apply)
        await hub.start()
        stack.callback(hub.close)
        yield Machine(store, state, path, hub, stack)
