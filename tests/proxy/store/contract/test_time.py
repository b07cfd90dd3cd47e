"""The time of a change: of one clock, however many nodes make changes."""

from __future__ import annotations

import asyncio
import time

from proxy.store.open import open_store
from proxy.store.protocols import Store
from tests.proxy.store.adapters import Adapter


async def test_the_clock_of_a_shared_store_counts_and_else_that_of_the_process(
    store: Store, adapter: Adapter
) -> None:
    """Counted in milliseconds since the epoch; a node whose own clock is wrong writes right
    times."""
    before = time.time_ns() // 1_000_000
    async with store.write() as change:
        seen = change.now(lambda: 7)
    after = time.time_ns() // 1_000_000
    if adapter.name == "sqlite":
        assert seen == 7
    else:
        assert before - 1 <= seen <= after + 1


async def test_no_change_is_older_than_the_one_before(
    store: Store, adapter: Adapter, url: str
) -> None:
    """The clock is read once a change has its turn, not when it began to wait for that."""
    if adapter.name == "sqlite":
        return
    other = await open_store(url)
    times: list[int] = []

    async def write(node: Store) -> None:
        async with node.write() as change:
            times.append(change.now(lambda: 0))

    async with store.write() as change:
        waiting = asyncio.create_task(write(other))
        await asyncio.sleep(0.2)
        ended = time.time_ns() // 1_000_000
        assert change.now(lambda: 0) < ended
    await waiting
    await asyncio.gather(*(write(node) for node in (store, other) * 10))
    await other.close()
    assert times[0] >= ended - 1
    assert times == sorted(times)
