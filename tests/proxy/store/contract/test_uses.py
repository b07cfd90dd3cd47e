"""Uses of keys: counted, and without effect on anything else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from proxy.domain.model import State
from proxy.domain.rotation import Rotation, SecretUses
from proxy.store.protocols import Changes, Store
from proxy.store.query import Query
from tests.harness import new_key
from tests.support.seed import used


async def test_recorded_uses_add_up_and_change_nothing_else(store: Store) -> None:
    """They make no revision, call no listener, and no edit of the key resets them."""
    pair = new_key(store, 9, account_id=1)
    async with store.write() as change:
        await change.put(pair.key)
    announced: list[Changes | None] = []
    store.subscribe(announced.append)
    before = await store.load_settings()
    await store.record_usage(used(9, 50, address="::1", count=3) | used(12345, 1), {})
    await store.record_usage(used(9, 100, address="192.0.2.2", count=4), {})
    await store.record_usage({}, {})
    assert announced == []
    async with store.write() as change:
        await change.put(replace(pair.key, name="edited"))
    key = await store.get_key(9)
    assert key
    assert (key.last_used, key.last_used_address, key.use_count) == (100, "192.0.2.2", 7)
    assert (await store.load_settings())[0] == before[0] + 1


async def test_the_uses_of_both_secrets_are_kept_apart_until_the_next_rotation(
    store: Store,
) -> None:
    """Uses of the new secret do not hide those of the old; what was used before the rotation, or is
    written late, counts for the key alone."""
    pair = new_key(store, 9, account_id=1)
    rotated = replace(pair.key, rotation=Rotation(30))
    async with store.write() as change:
        await change.put(rotated)
    await store.record_usage(used(9, 40, rotated=30, previous=True), {})
    late = used(9, 29, address="::9", count=2)
    await store.record_usage(used(9, 60, address="::1", rotated=30, count=2) | late, {})
    await store.record_usage(used(9, 50, address="::2", rotated=30, previous=True), {})
    key = await store.get_key(9)
    assert key
    assert key.rotation.current == SecretUses(60, 60, "::1", 2)
    assert key.rotation.previous == SecretUses(40, 50, "::2", 2)
    assert (key.last_used, key.last_used_address, key.use_count) == (60, "::1", 6)
    async with store.write() as change:
        await change.put(replace(key, rotation=Rotation(70)))
    key = await store.get_key(9)
    assert key
    assert (key.rotation, key.use_count) == (Rotation(70), 6)


async def test_uses_may_be_written_in_any_order(store: Store) -> None:
    """Several nodes write what each of them has counted: the first and the last use stay so."""
    async with store.write() as change:
        await change.put(new_key(store, 9, account_id=1).key)
    for at, address in ((50, "::5"), (70, "::7"), (30, "::3"), (60, "::6")):
        await store.record_usage(used(9, at, address=address), {})
    key = await store.get_key(9)
    assert key
    assert (key.last_used, key.last_used_address, key.use_count) == (70, "::7", 4)
    assert key.rotation.current == SecretUses(30, 70, "::7", 4)


async def test_a_removed_key_keeps_its_uses_and_leaves_the_lists(store: Store) -> None:
    """In the order of the last use, too."""
    async with store.write() as change:
        for number in (8, 9):
            await change.put(new_key(store, number, account_id=1).key)
    await store.record_usage(used(8, 50) | used(9, 60), {})
    key = await store.get_key(8)
    assert key
    async with store.write() as change:
        await change.put(replace(key, state=State.REMOVED))
    for owner in (None, 1):
        page = await store.list_keys(Query("last_used"), owner=owner)
        assert [(each.id, each.last_used) for each in page.records] == [(9, 60)]
    removed = await store.get_key(8)
    assert removed
    assert (removed.last_used, removed.use_count) == (50, 1)


@pytest.mark.parametrize(
    ("changes", "quiet_from"),
    [
        ({}, 110),
        ({"rotation": Rotation(100, previous_used=150)}, 160),
        ({"rotation": Rotation(100, current_used=150)}, 110),
        ({"previous_until": 109}, None),
        ({"quiet": None}, None),
    ],
)
async def test_a_secret_is_quiet_once_it_was_unused_for_as_long_as_was_asked(
    store: Store, changes: dict[str, Any], quiet_from: int | None
) -> None:
    """Since the rotation or its last use, and as long as it is valid at all."""
    rotated = {"rotation": Rotation(100), "quiet": 10, "previous_until": 1000}
    async with store.write() as change:
        await change.put(new_key(store, 9, account_id=1, **rotated | changes).key)
        await change.put(new_key(store, 8, account_id=1).key)
    found = [now for now in range(100, 170) if await store.list_quiet(now, 5)]
    assert found[:1] == ([] if quiet_from is None else [quiet_from])
