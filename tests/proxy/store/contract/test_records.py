"""Records: what is written is read again, by the admin server and by the gateway."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.domain.errors import StoreUnavailable
from proxy.domain.limits import NONE, parse_limits
from proxy.domain.model import AccountKind, Membership, Role, State
from proxy.store.open import open_store
from proxy.store.protocols import Store, StoreError
from proxy.store.query import Query
from tests.harness import account, environment, new_key

MEMBER = Membership(7, 2, 3, Role.MEMBER, 5)
LIMITS = parse_limits(
    {
        "rate": "100/s",
        "burst": 7,
        "quota": "10/month",
        "networks": ["10.0.0.0/8", "2001:db8::/32"],
        "scopes": ["GET /v1/projects/{environment}/**"],
        "window": "Mon-Fri 08:00-18:00",
        "enforce": False,
    }
)


async def test_a_record_comes_back_as_it_was_put(store: Store) -> None:
    """Every field of every kind of record is read again, before and after a change."""
    key = replace(
        new_key(store, 9, account_id=2).key,
        name="näme",
        description="two\nlines",
        expires=5,
        sealed=False,
        role=Role.RESTRICTED,
        creator_id=1,
        limits=LIMITS,
    )
    async with store.write() as change:
        await change.put(key)
        assert await change.get_key(9) == key
    assert await store.get_key(9) == key
    assert (await store.load_key(key.access_key))[1] == key
    changed = replace(key, name=None, state=State.INACTIVE, limits=NONE)
    async with store.write() as change:
        await change.put(changed)
    assert await store.get_key(9) == changed
    assert await store.get_account(1) == account(1, AccountKind.ADMIN)
    assert await store.get_environment(3) == environment(3, "a")


async def test_accounts_and_environments_keep_their_limits(store: Store) -> None:
    """For the admin server and for the gateway."""
    limited = account(1, AccountKind.ADMIN, limits=LIMITS)
    bounded = environment(3, "a", limits=LIMITS)
    async with store.write() as change:
        await change.put(limited)
        await change.put(bounded)
    assert await store.get_account(1) == limited
    assert await store.get_owners([1, 3]) == {1: limited, 3: bounded}
    assert (await store.load_account(1))[1] == limited
    assert (await store.load_environment(3))[1] == bounded


async def test_a_membership_is_found_by_its_id_and_by_its_account_and_environment(
    store: Store,
) -> None:
    """Until it ends: then it is gone for the admin server and for the gateway."""
    async with store.write() as change:
        await change.put(MEMBER)
    assert await store.find_membership(7) == MEMBER
    assert await store.get_membership(2, 3) == MEMBER
    assert (await store.load_membership((2, 3)))[1] == MEMBER
    assert await store.get_membership(2, 4) is None
    async with store.write() as change:
        await change.end_membership(MEMBER)
    assert await store.find_membership(7) is None
    assert await store.get_membership(2, 3) is None
    assert (await store.load_membership((2, 3)))[1] is None


async def test_many_records_are_read_at_once_by_their_ids(store: Store) -> None:
    """In any state, within a change too; ids of no record are left out."""
    removed = replace(new_key(store, 9, account_id=2).key, state=State.REMOVED)
    purged = replace(environment(5, "c"), state=State.PURGED)
    many = range(100_000)
    async with store.write() as change:
        for each in (MEMBER, removed, purged):
            await change.put(each)
        assert set(await change.get_owners(many)) == {1, 2, 3, 4, 5}
    owners = await store.get_owners([2, 3, 5, 99])
    assert owners == {
        2: account(2, AccountKind.USER),
        3: environment(3, "a"),
        5: purged,
    }
    assert await store.get_keys(many) == {9: removed}
    assert await store.get_memberships(2, many) == {3: MEMBER}
    assert await store.get_memberships(2, [4]) == await store.get_memberships(1, [3]) == {}
    assert await store.get_owners([]) == {}


async def test_a_setting_that_was_never_set_is_not_there(store: Store) -> None:
    """One that was set has its last value, for the admin server and for the gateway."""
    assert await store.settings() == {}
    for value in ("off", "on"):
        async with store.write() as change:
            await change.put_setting("access_control", value)
    assert await store.settings() == {"access_control": "on"}
    assert (await store.load_settings())[1] == {"access_control": "on"}


async def test_a_store_that_is_opened_again_has_the_same_records_and_seal_key(
    store: Store, url: str
) -> None:
    """With another seal key, every stored key would look forged."""
    pair = new_key(store, 9, account_id=1)
    async with store.write() as change:
        await change.put(pair.key)
    await store.close()
    again = await open_store(url)
    assert again.seal_key == store.seal_key
    assert await again.get_key(9) == pair.key
    await again.close()


async def test_a_store_is_made_only_where_that_is_requested(url: str) -> None:
    """Without `create` the error names the command that makes one."""
    with pytest.raises(StoreError, match="wardgate init"):
        await open_store(url)
    made = await open_store(url, create=True)
    assert not await made.has_admin()
    await made.close()


async def test_a_closed_store_is_unavailable(store: Store) -> None:
    """Reads and changes raise what the gateway answers with 503; closing twice is fine."""
    await store.close()
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.get_account(1)
    with pytest.raises(StoreUnavailable):
        await store.load_account(1)
    with pytest.raises(StoreUnavailable):
        async with store.write():
            pass


@pytest.mark.parametrize("state", [State.REMOVED, State.PURGED])
async def test_the_gateway_does_not_see_a_removed_record(store: Store, state: State) -> None:
    """The admin server still finds it by its id, but no longer lists it."""
    pair = new_key(store, 9, account_id=1)
    async with store.write() as change:
        await change.put(replace(pair.key, state=state))
        await change.put(replace(account(2, AccountKind.USER), state=state))
        await change.put(replace(environment(3, "a"), state=state))
    assert (await store.load_key(pair.key.access_key))[1] is None
    assert (await store.load_account(2))[1] is None
    assert (await store.load_environment(3))[1] is None
    assert (await store.load_slug("a"))[1] is None
    assert await store.get_key(9)
    assert await store.get_account(2)
    assert await store.get_environment(3)
    assert (await store.list_keys(Query())).records == []
    assert [each.id for each in (await store.list_accounts(Query())).records] == [1]
    assert [each.id for each in (await store.list_environments(Query())).records] == [4]


async def test_the_last_moment_of_administration_is_that_of_the_longest_lived_admin_key(
    store: Store,
) -> None:
    """Only an active key counts that has the owner role and belongs to an active admin account."""
    keys = [new_key(store, number, account_id=1).key for number in range(1, 6)]
    async with store.write() as change:
        assert await change.administered_until() == 0
        await change.put(replace(keys[0], expires=7))
        await change.put(replace(keys[1], state=State.INACTIVE))
        await change.put(replace(keys[2], expires=1))
        await change.put(replace(keys[3], role=Role.READONLY))
        await change.put(replace(keys[4], account_id=2))
    assert await store.administered_until() == 7
    assert await store.has_admin()
    async with store.write() as change:
        await change.put(keys[0])
    assert await store.administered_until() > keys[0].created + 10**15
    async with store.write() as change:
        await change.put(replace(account(1, AccountKind.ADMIN), state=State.INACTIVE))
    assert await store.administered_until() == 0
    assert await store.has_admin()


async def test_only_owners_with_active_accounts_are_counted(store: Store) -> None:
    """In the one environment, whatever they are in another."""
    async with store.write() as change:
        await change.put(Membership(1, 1, 3, Role.OWNER, 0))
        await change.put(Membership(2, 2, 3, Role.MEMBER, 0))
        await change.put(Membership(3, 2, 4, Role.OWNER, 0))
    assert [await store.count_owners(number) for number in (3, 4, 5)] == [1, 1, 0]
    async with store.write() as change:
        await change.put(replace(account(2, AccountKind.USER), state=State.INACTIVE))
        assert await change.count_owners(4) == 0


async def test_the_highest_cost_of_an_unsealed_secret_is_that_of_live_keys(store: Store) -> None:
    """A removed or expired key does not count, nor does a previous secret whose time is over."""
    key = new_key(store, 9, account_id=1).key
    imported = replace(key, sealed=False, secret_hash=b"$2b$09$" + b"x" * 53)
    rotated = replace(
        key,
        id=10,
        access_key="rotated",
        previous_hash=b"$2b$11$" + b"x" * 53,
        previous_sealed=False,
        previous_until=key.created + 10**9,
    )
    assert await store.unsealed_rounds() == 0
    async with store.write() as change:
        await change.put(imported)
    assert await store.unsealed_rounds() == 9
    async with store.write() as change:
        await change.put(rotated)
    assert await store.unsealed_rounds() == 11
    async with store.write() as change:
        await change.put(replace(rotated, previous_until=1))
    assert await store.unsealed_rounds() == 9
    async with store.write() as change:
        await change.put(replace(imported, expires=key.created + 10**9, state=State.INACTIVE))
    assert await store.unsealed_rounds() == 9
    async with store.write() as change:
        await change.put(replace(imported, expires=1))
    assert await store.unsealed_rounds() == 0
    async with store.write() as change:
        await change.put(replace(imported, state=State.REMOVED))
    assert await store.unsealed_rounds() == 0
