"""Slugs, access keys, memberships and ids: what may be used once, and when it is free again."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from proxy.domain.errors import NotUnique
from proxy.domain.model import Membership, Role, State
from proxy.store.protocols import Store
from tests.harness import environment, new_key


async def test_a_slug_is_unique_without_regard_to_case_but_compared_exactly(store: Store) -> None:
    """`A` cannot be added beside `a`, and the gateway does not take `A` for `a`."""
    with pytest.raises(NotUnique) as caught:
        async with store.write() as change:
            await change.put(environment(8, "A"))
    assert caught.value.field == "slug"
    assert (await store.load_slug("a"))[1] == 3
    assert (await store.load_slug("A"))[1] is None
    found = await store.find_environment("A")
    assert found
    assert found.id == 3


async def test_the_slug_of_a_removed_environment_can_be_used_again(store: Store) -> None:
    """It then stands for the new environment."""
    async with store.write() as change:
        await change.put(replace(environment(3, "a"), state=State.REMOVED))
        await change.put(environment(8, "A"))
    assert (await store.load_slug("A"))[1] == 8


async def test_an_access_key_is_unique_until_its_key_is_purged(store: Store) -> None:
    """The access key of a removed key is still taken, because the audit log names the key by it."""
    pair = new_key(store, 9, account_id=1)
    async with store.write() as change:
        await change.put(replace(pair.key, state=State.REMOVED))
    with pytest.raises(NotUnique) as caught:
        async with store.write() as change:
            await change.put(replace(pair.key, id=10))
    assert caught.value.field == "publicValue"
    async with store.write() as change:
        await change.put(replace(pair.key, state=State.PURGED))
        await change.put(replace(pair.key, id=10))


async def test_an_account_has_one_membership_in_an_environment(store: Store) -> None:
    """A second one is refused until the first has ended."""
    first, second = (Membership(number, 2, 3, Role.MEMBER, 0) for number in (1, 2))
    async with store.write() as change:
        await change.put(first)
    with pytest.raises(NotUnique) as caught:
        async with store.write() as change:
            await change.put(second)
    assert caught.value.field == "accountId"
    async with store.write() as change:
        await change.end_membership(first)
        await change.put(second)
    assert await store.get_membership(2, 3) == second


async def test_an_id_is_given_once(store: Store) -> None:
    """Taking an id moves the counter beyond it; the id of a record cannot be taken."""
    async with store.write() as change:
        assert not await change.take_id("account", 1)
        assert not await change.take_id("account", 3)
        assert await change.take_id("account", 100)
        assert await change.next_id("account") == 101
        assert await change.take_id("account", 50)
        assert await change.next_id("account") == 102
        assert await change.next_id("key") == 1


async def test_changes_that_begin_together_get_different_ids(store: Store) -> None:
    """Each change waits for the one before it."""

    async def next_id() -> int:
        async with store.write() as change:
            number = await change.next_id("key")
            await asyncio.sleep(0)
            return number

    assert sorted(await asyncio.gather(*(next_id() for _ in range(5)))) == [1, 2, 3, 4, 5]
