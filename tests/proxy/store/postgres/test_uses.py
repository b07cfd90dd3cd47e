"""Uses of keys that several nodes write at once: none waits for a change, and none for another."""

from __future__ import annotations

import asyncio

from proxy.domain.usage import HOUR, Series, Sums, UsageQuery
from proxy.store.open import open_store
from proxy.store.protocols import SecretRef, Store, Uses
from tests.harness import new_key
from tests.support.seed import used

KEYS = range(1, 101)


async def test_uses_are_written_while_a_change_is_made(store: Store) -> None:
    """They do not wait for the lock of changes."""
    async with store.write() as change:
        await change.put(new_key(store, 1, account_id=1).key)
    async with store.write() as change:
        await store.record_usage(used(1, 50), {Series(0, 1, 3, "/**", "GET", 2): Sums(1)})
        seen = await change.get_key(1)
    assert seen
    assert seen.use_count == 1


async def test_nodes_that_write_the_same_uses_in_other_orders_do_not_block_one_another(
    store: Store, url: str
) -> None:
    """Every batch is written, and all of them add up."""
    async with store.write() as change:
        for number in KEYS:
            await change.put(new_key(store, number, account_id=1).key)
    other = await open_store(url)

    async def write(node: Store, keys: list[int]) -> None:
        for at in range(10):
            uses: dict[SecretRef, Uses] = {}
            for key in keys:
                uses |= used(key, at)
            await node.record_usage(uses, {})

    await asyncio.gather(write(store, [*KEYS]), write(other, [*reversed(KEYS)]))
    await other.close()
    found = await store.get_keys(KEYS)
    assert {(key.use_count, key.last_used) for key in found.values()} == {(20, 9)}


async def test_nodes_that_write_the_same_counters_do_not_block_one_another(
    store: Store, url: str
) -> None:
    """Nor where the counters of other keys add up to the same totals."""
    other = await open_store(url)

    async def write(node: Store, first: int, step: int) -> None:
        for _ in range(10):
            places = ((first + at, at * step % 97) for at in range(1, 97))
            counted = {Series(0, *each, "/**", "GET", each[1] % 5): Sums(1) for each in places}
            await node.record_usage({}, counted)

    await asyncio.gather(write(store, 0, 1), write(other, 1000, 96))
    await other.close()
    (row,) = await store.sum_usage(UsageQuery(0, HOUR))
    assert row.requests == 2 * 10 * 96
