"""Sessions: found by the digest of their token, listed, noted and ended."""

from __future__ import annotations

from dataclasses import replace

from proxy.domain.session import Identity, Session
from proxy.store.protocols import Store
from tests.harness import Pair
from tests.support.seed import new_key


async def keys_of(store: Store, *accounts: int) -> list[Pair]:
    """A new key of each account."""
    pairs = [new_key(store, 10 + at, account_id=each) for at, each in enumerate(accounts)]
    async with store.write() as tx:
        for pair in pairs:
            await tx.put(pair.key)
    return pairs


async def added(store: Store, *key_ids: int) -> list[Session]:
    """Sessions of these keys, each used a millisecond after the one before."""
    sessions = []
    async with store.write() as tx:
        for at, key_id in enumerate(key_ids):
            key = await tx.get_key(key_id)
            assert key is not None
            assert key.account_id is not None
            values = (key_id, b"hash", 1000 + at, 1000 + at, "::1", "é", key.account_id)
            given = Session(0, b"d%d" % at, *values)
            sessions.append(await tx.add_session(given))
    return sessions


async def test_a_session_is_found_as_it_was_added(store: Store) -> None:
    """By its digest and by its id, in the transaction and after it."""
    (key,) = await keys_of(store, 2)
    first, second = await added(store, key.key.id, key.key.id)
    assert first.id != second.id
    assert await store.find_session(b"d0") == first
    assert await store.get_session(second.id) == second
    assert await store.find_session(b"d") is None
    assert await store.get_session(10**18 - 1) is None
    async with store.write() as tx:
        await tx.note_session(first.id, 5000)
        await tx.end_session(second.id)
        assert await tx.get_session(second.id) is None
    assert await store.find_session(b"d0") == replace(first, last_seen=5000)


async def test_sessions_are_listed_and_ended_by_account_and_by_key(store: Store) -> None:
    """The latest first. One may be left out."""
    one, two, other = (pair.key.id for pair in await keys_of(store, 2, 2, 1))
    sessions = await added(store, one, two, other, one)
    assert await store.list_sessions(account=2) == [sessions[3], sessions[1], sessions[0]]
    assert await store.list_sessions(key=one) == [sessions[3], sessions[0]]
    async with store.write() as tx:
        assert await tx.end_sessions(key=one, but=sessions[0].id) == 1
        assert await tx.end_sessions(key=other, but=sessions[0].id) == 1
    assert await store.list_sessions(account=2) == [sessions[1], sessions[0]]
    async with store.write() as tx:
        assert await tx.end_sessions(account=2) == 2
    assert await store.list_sessions(account=2) == []


async def test_old_sessions_and_surplus_ones_are_ended(store: Store) -> None:
    """Those that began or were used too long ago; and of one key those used longest ago."""
    one, two = (pair.key.id for pair in await keys_of(store, 2, 2))
    sessions = await added(store, one, two, one, one, two)
    async with store.write() as tx:
        await tx.note_session(sessions[2].id, 9000)
        await tx.end_surplus_sessions(sessions[0], 2)
    assert await store.list_sessions(key=one) == [replace(sessions[2], last_seen=9000), sessions[3]]
    assert len(await store.list_sessions(key=two)) == 2
    async with store.write() as tx:
        await tx.end_old_sessions(created=1001, last_seen=1003)
    left = [each.id for each in await store.list_sessions(account=2)]
    assert left == [sessions[2].id, sessions[4].id]


async def test_a_person_without_a_key_has_sessions_of_the_account(store: Store) -> None:
    """Who has the same name at another provider, or by another claim, is somebody else."""
    people = [Identity("https://a", "sub", "ada"), Identity("https://b", "sub", "ada")]
    people += [Identity("https://a", "email", "ada"), people[0]]
    (key,) = await keys_of(store, 2)
    (with_key,) = await added(store, key.key.id)
    sessions = []
    async with store.write() as tx:
        for at, person in enumerate(people):
            plain = replace(with_key, digest=b"p%d" % at, last_seen=2000 + at)
            given = replace(plain, key_id=None, secret_hash=None, identity=person)
            sessions.append(await tx.add_session(given))
    assert await store.find_session(b"p1") == sessions[1]
    assert await store.list_sessions(identity=people[0]) == [sessions[3], sessions[0]]
    assert await store.list_sessions(key=key.key.id) == [with_key]
    async with store.write() as tx:
        await tx.end_surplus_sessions(sessions[0], 1)
        assert await tx.end_sessions(identity=people[1]) == 1
    assert await store.list_sessions(account=2) == [sessions[3], sessions[2], with_key]
