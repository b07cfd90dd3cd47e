"""Uses of keys: counted, and without effect on anything else."""

from __future__ import annotations

from dataclasses import replace

from proxy.store.protocols import Changes, Store, Uses
from tests.harness import new_key


async def test_recorded_uses_add_up_and_change_nothing_else(store: Store) -> None:
    """They make no revision, call no listener, and no edit of the key resets them."""
    pair = new_key(store, 9, account_id=1)
    async with store.write() as change:
        await change.put(pair.key)
    announced: list[Changes | None] = []
    store.subscribe(announced.append)
    before = await store.load_settings()
    await store.record_usage({9: Uses(50, "::1", 3), 12345: Uses(1, "::1", 1)}, {})
    await store.record_usage({9: Uses(100, "192.0.2.2", 4)}, {})
    await store.record_usage({}, {})
    assert announced == []
    async with store.write() as change:
        await change.put(replace(pair.key, name="edited"))
    key = await store.get_key(9)
    assert key
    assert (key.last_used, key.last_used_address, key.use_count) == (100, "192.0.2.2", 7)
    assert (await store.load_settings())[0] == before[0] + 1


async def test_the_last_use_of_the_previous_secret_stays_until_the_next_rotation(
    store: Store,
) -> None:
    """Uses of the new secret do not hide it; a rotation puts a record without it."""
    pair = new_key(store, 9, account_id=1)
    async with store.write() as change:
        await change.put(pair.key)
    await store.record_usage({9: Uses(50, "::1", 1, previous=40)}, {})
    await store.record_usage({9: Uses(60, "::1", 1)}, {})
    key = await store.get_key(9)
    assert key
    assert (key.last_used, key.previous_used) == (60, 40)
    async with store.write() as change:
        await change.put(replace(key, previous_used=None))
    key = await store.get_key(9)
    assert key
    assert (key.last_used, key.previous_used) == (60, None)
