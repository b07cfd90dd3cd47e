"""Following a PostgreSQL store: each node is told of what any other has changed, or drops what it
knows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import NamedTuple
from uuid import uuid4

import pytest

from proxy.domain.errors import StoreUnavailable
from proxy.domain.model import AccountKind, Membership, Role, State
from proxy.store.feed import NodeIdentity
from proxy.store.open import open_store
from proxy.store.postgres import feed as module
from proxy.store.postgres.store import PostgresStore
from proxy.store.protocols import Changes
from tests.harness import account, environment, new_key
from tests.patience import PATIENCE
from tests.proxy.store.postgres.test_connection import END_OTHERS
from tests.support.postgres import Server


class Follower(NamedTuple):
    """Another node's view of the store, and what it was told."""

    store: PostgresStore
    told: list[Changes | None]


async def follow(url: str) -> Follower:
    """Begin to follow a store."""
    store = await open_store(url)
    assert isinstance(store, PostgresStore)
    told: list[Changes | None] = []
    store.subscribe(told.append)
    return Follower(store, told)


@pytest.fixture
async def other(store: PostgresStore, url: str) -> AsyncIterator[Follower]:
    """A second node of the store."""
    other = await follow(url)
    yield other
    await other.store.close()


def node(name: str = "a", lease: float = 30.0) -> NodeIdentity:
    """A node of its own."""
    return NodeIdentity(uuid4(), name, lease)


async def test_all_that_another_node_changes_is_told_at_the_next_pull(
    store: PostgresStore, other: Follower
) -> None:
    """Records of each kind, as they are, with the revision of that."""
    async with store.write() as change:
        await change.put(environment(3, "a"))
        await change.put(Membership(1, 1, 3, Role.OWNER, 5))
    key = new_key(store, 9, account_id=1).key
    async with store.write() as change:
        await change.put(replace(key, state=State.INACTIVE))
        await change.put_setting("access_control", "off")
        await change.put(replace(account(1, AccountKind.ADMIN), name="new"))
    assert other.told == []
    await other.store.feed.pull()
    (changes,) = other.told
    assert changes == Changes(
        store.feed.applied,
        [replace(account(1, AccountKind.ADMIN), name="new")],
        [environment(3, "a")],
        [replace(key, state=State.INACTIVE)],
        [(1, 3, Membership(1, 1, 3, Role.OWNER, 5))],
        {"access_control": "off"},
    )
    await other.store.feed.pull()
    assert len(other.told) == 1
    async with store.write() as change:
        await change.end_membership(Membership(1, 1, 3, Role.OWNER, 5))
    await other.store.feed.pull()
    assert other.told[-1] is not None
    assert other.told[-1].memberships == [(1, 3, None)]


async def test_a_hint_comes_with_each_commit_and_with_the_end_of_the_connection(
    store: PostgresStore, other: Follower, server: Server, database: str
) -> None:
    """So nobody has to wait for the next beat."""
    hints = other.store.feed.hints
    await other.store.feed.pull()
    async with store.write() as change:
        await change.put(account(2, AccountKind.USER))
    await asyncio.wait_for(hints.wait(), PATIENCE)
    hints.clear()
    server.sql(END_OTHERS.format(database))
    await asyncio.wait_for(hints.wait(), PATIENCE)


async def test_before_a_change_is_acknowledged_its_node_knows_those_of_others_before_it(
    store: PostgresStore, other: Follower
) -> None:
    """What it is told is never a later change without an earlier one."""
    async with store.write() as change:
        await change.put(account(2, AccountKind.USER))
    async with other.store.write() as change:
        await change.put(account(3, AccountKind.USER))
    (changes,) = other.told
    assert changes
    assert [each.id for each in changes.accounts] == [2, 3]


async def test_where_the_pull_after_a_commit_fails_everything_is_dropped(
    store: PostgresStore, other: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change was made, so its maker gets no error."""

    async def fail() -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(other.store.feed, "pull", fail)
    async with other.store.write() as change:
        await change.put(account(2, AccountKind.USER))
    assert other.told == [None]
    assert await store.get_account(2)


async def test_where_others_left_what_cannot_be_read_a_change_is_made_all_the_same(
    store: PostgresStore, other: Follower, server: Server, database: str
) -> None:
    """Everything is dropped, as after any other pull that fails."""
    await store.feed.pull()
    server.sql(
        "UPDATE wardgate.accounts SET limits = '{' WHERE id = 1; "
        "UPDATE wardgate.meta SET revision = revision + 1; INSERT INTO wardgate.changes "
        "SELECT revision, 0, gen_random_uuid(), 0, 'a', 1 FROM wardgate.meta",
        database,
    )
    async with other.store.write() as change:
        await change.put(account(2, AccountKind.USER))
    assert other.told == [None]
    assert await store.get_account(2)


async def test_where_a_pull_does_not_tell_of_the_change_everything_is_dropped(
    store: PostgresStore, other: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where it still asks a server that another one has taken the place of."""

    async def nothing_new() -> None:
        pass

    monkeypatch.setattr(other.store.feed, "pull", nothing_new)
    async with other.store.write() as change:
        await change.put(account(2, AccountKind.USER))
    assert other.told == [None]


async def test_another_history_is_noticed_and_everything_dropped(
    store: PostgresStore, other: Follower, server: Server, database: str
) -> None:
    """As after a standby took over that had not got the last changes: their numbers are given
    again."""
    async with store.write() as change:
        await change.put(account(2, AccountKind.USER))
    await other.store.feed.pull()
    server.sql(
        "UPDATE wardgate.changes SET nonce = gen_random_uuid() WHERE revision = "
        "(SELECT revision FROM wardgate.meta)",
        database,
    )
    await other.store.feed.pull()
    assert other.told[1:] == [None]
    async with store.write() as change:
        await change.put(account(3, AccountKind.USER))
    await other.store.feed.pull()
    assert [each is None for each in other.told] == [False, True, False]


async def test_a_history_that_goes_back_is_noticed_too(
    store: PostgresStore, other: Follower, server: Server, database: str
) -> None:
    """As after a backup was restored."""
    async with store.write() as change:
        await change.put(account(2, AccountKind.USER))
    await other.store.feed.pull()
    server.sql(
        "DELETE FROM wardgate.changes WHERE revision = (SELECT revision FROM wardgate.meta); "
        "UPDATE wardgate.meta SET revision = revision - 1",
        database,
    )
    await other.store.feed.pull()
    assert other.told[1:] == [None]
    assert other.store.feed.applied == 1


async def test_who_is_too_far_behind_drops_everything(
    store: PostgresStore, other: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rather than to apply thousands of changes."""
    monkeypatch.setattr(module, "MOST", 10)
    for number in range(2, 13):
        async with store.write() as change:
            await change.put(account(number, AccountKind.USER))
    await other.store.feed.pull()
    assert other.told == [None]
    assert other.store.feed.applied == store.feed.applied


async def test_after_a_change_of_many_records_not_all_is_dropped_again_and_again(
    store: PostgresStore, other: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the revision that was applied last, one row is enough to know it by."""
    monkeypatch.setattr(module, "MOST", 10)
    async with store.write() as change:
        for number in range(2, 20):
            await change.put(account(number, AccountKind.USER))
    for _ in range(3):
        await other.store.feed.pull()
    assert other.told == [None]


async def test_a_change_of_an_unknown_kind_drops_everything(
    store: PostgresStore, other: Follower, server: Server, database: str
) -> None:
    """A later version may make one: what it means is not known here."""
    server.sql(
        "UPDATE wardgate.meta SET revision = revision + 1; INSERT INTO wardgate.changes "
        "SELECT revision, 0, gen_random_uuid(), 0, 'z', 1 FROM wardgate.meta",
        database,
    )
    await other.store.feed.pull()
    assert other.told == [None]


async def test_a_beat_is_written_down_and_tells_what_has_changed(
    store: PostgresStore, other: Follower, server: Server, database: str
) -> None:
    """With how far the node is."""
    assert await other.store.feed.join(node("b", 12.5))
    assert await other.store.feed.beat(0)
    async with store.write() as change:
        await change.put(account(2, AccountKind.USER))
    assert await other.store.feed.beat(1)
    assert len(other.told) == 1
    row = "SELECT name, incarnation, beat, applied, settled, lease_ms, left_at FROM wardgate.nodes"
    assert server.sql(row, database) == "b|1|2|1|1|12500|"
    await other.store.feed.leave()
    assert server.sql("SELECT left_at > 0 FROM wardgate.nodes", database) == "t"


async def test_a_name_belongs_to_one_node_until_it_leaves(
    store: PostgresStore, other: Follower
) -> None:
    """The same node may take it again: it was started again."""
    first = node()
    assert await store.feed.join(first)
    assert await store.feed.beat(0)
    assert not await other.store.feed.join(node())
    assert await other.store.feed.join(first)
    assert not await store.feed.beat(0)
    assert await other.store.feed.beat(0)
    await other.store.feed.leave()
    assert await store.feed.join(node())
    assert await store.feed.beat(0)


async def test_a_beat_with_a_warning_is_not_sure(
    store: PostgresStore, server: Server, database: str
) -> None:
    """As the one by which PostgreSQL tells that no standby has confirmed it."""
    assert await store.feed.join(node())
    warns = (
        "CREATE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN RAISE WARNING 'canceling wait'; RETURN NULL; END$$; "
        "CREATE TRIGGER late AFTER UPDATE ON wardgate.nodes EXECUTE FUNCTION warn()"
    )
    server.sql(warns, database)
    assert not await store.feed.beat(0)
    server.sql("DROP TRIGGER late ON wardgate.nodes", database)
    assert await store.feed.beat(0)


async def test_a_lost_connection_is_an_error_once_and_then_replaced(
    store: PostgresStore, other: Follower, server: Server, database: str
) -> None:
    """What was changed meanwhile is told."""
    assert await other.store.feed.join(node())
    server.sql(END_OTHERS.format(database))
    with pytest.raises(StoreUnavailable, match="the store cannot be followed"):
        await other.store.feed.beat(0)
    async with store.write() as change:
        await change.put(account(2, AccountKind.USER))
    assert await other.store.feed.beat(0)
    assert len(other.told) == 1


async def test_the_nodes_of_a_store_are_told_by_name(store: PostgresStore, other: Follower) -> None:
    """Also those that have left."""
    b, a = node("b", 12.5), node("a")
    assert await store.feed.join(b)
    assert await other.store.feed.join(a)
    assert await store.feed.beat(1)
    await other.store.feed.leave()
    first, second = await store.feed.nodes()
    assert (first.id, first.name, first.beat, first.lease) == (a.id, "a", 0, 30.0)
    assert first.left_at is not None
    assert (second.id, second.name, second.incarnation, second.beat) == (b.id, "b", 1, 1)
    assert (second.applied, second.settled, second.lease, second.left_at) == (1, 1, 12.5, None)
    assert second.seen > 0


async def test_a_node_that_left_long_ago_is_forgotten(
    store: PostgresStore, server: Server, database: str
) -> None:
    """A day later. Others stay, however long nobody has heard of them."""
    for name in ("old", "late", "dead"):
        assert await store.feed.join(node(name))
    server.sql(
        "UPDATE wardgate.nodes SET left_at = 1000 WHERE name = 'old'; "
        "UPDATE wardgate.nodes SET left_at = extract(epoch FROM now()) * 1000 WHERE name = 'late'",
        database,
    )
    await store.feed.prune()
    assert [each.name for each in await store.feed.nodes()] == ["dead", "late"]


async def test_who_waits_asks_all_nodes_at_once(store: PostgresStore, other: Follower) -> None:
    """A change alone asks for nothing but to be pulled."""
    feeds = [store.feed, other.store.feed]
    await asyncio.gather(*(feed.pull() for feed in feeds))
    async with store.write() as change:
        await change.put(account(2, AccountKind.USER))
    for feed in feeds:
        await asyncio.wait_for(feed.hints.wait(), PATIENCE)
        assert not feed.asked.is_set()
    await other.store.feed.ask_to_settle()
    for feed in feeds:
        await asyncio.wait_for(feed.asked.wait(), PATIENCE)


async def test_what_was_settled_in_another_history_is_not_written_down(
    store: PostgresStore, other: Follower, server: Server, database: str
) -> None:
    """Its numbers are given again, to other changes."""
    assert await other.store.feed.join(node())
    async with store.write() as change:
        await change.put(account(2, AccountKind.USER))
    assert await other.store.feed.beat(1)
    server.sql(
        "UPDATE wardgate.changes SET nonce = gen_random_uuid() WHERE revision = "
        "(SELECT revision FROM wardgate.meta)",
        database,
    )
    settled = "SELECT settled FROM wardgate.nodes"
    assert server.sql(settled, database) == "1"
    assert await other.store.feed.beat(2)
    assert server.sql(settled, database) == "0"
    assert await other.store.feed.beat(2)
    assert server.sql(settled, database) == "2"


async def test_what_was_settled_before_history_changed_is_not_written_down_after(
    store: PostgresStore, other: Follower, server: Server, database: str
) -> None:
    """It is noticed by a pull while the beat waits for its turn."""
    feed = other.store.feed
    assert await feed.join(node())
    server.sql("UPDATE wardgate.changes SET nonce = gen_random_uuid()", database)
    _, sure = await asyncio.gather(feed.pull(), feed.beat(1))
    assert sure
    assert server.sql("SELECT settled FROM wardgate.nodes", database) == "0"


async def test_a_node_that_is_dead_can_be_forgotten(store: PostgresStore, other: Follower) -> None:
    """Unless it has beaten since it was looked at."""
    assert await other.store.feed.join(node("b"))
    (seen,) = await store.feed.nodes()
    assert await other.store.feed.beat(0)
    async with store.write() as change:
        assert not await change.forget_node(seen)
    (seen,) = await store.feed.nodes()
    async with store.write() as change:
        assert await change.forget_node(seen)
        assert not await change.forget_node(seen)
    (gone,) = await store.feed.nodes()
    assert gone.left_at is not None
    assert not await other.store.feed.beat(0)
    assert await other.store.feed.join(node("b"))
