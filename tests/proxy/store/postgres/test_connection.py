"""Connections to PostgreSQL: one that fails is replaced, and no change is taken for made or for not
made where that is unknown."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

import pytest

from proxy.domain.errors import ListTooCostly, NotUnique, StoreUnavailable
from proxy.domain.model import AccountKind
from proxy.store.open import open_store
from proxy.store.postgres.address import SETTINGS
from proxy.store.protocols import Changes, Store
from tests.harness import account, environment
from tests.support.postgres import Server

END_OTHERS = (
    "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity "
    "WHERE datname = '{}' AND pid <> pg_backend_pid()"
)


async def test_connections_that_were_ended_are_replaced(
    store: Store, server: Server, database: str
) -> None:
    """A restart of the server in between costs no answer and no change."""
    assert await store.get_account(1)
    server.sql(END_OTHERS.format(database))
    async with store.write() as change:
        await change.put(account(2, AccountKind.USER))
    assert await store.get_account(2)


async def test_a_change_whose_connection_is_lost_is_not_made(
    store: Store, server: Server, database: str
) -> None:
    """Nothing of it is kept, no listener is called, and the next change goes through."""
    announced: list[Changes | None] = []
    store.subscribe(announced.append)

    async def cut() -> None:
        async with store.write() as change:
            await change.put(account(2, AccountKind.USER))
            server.sql(END_OTHERS.format(database))
            await change.put(account(3, AccountKind.USER))

    with pytest.raises(StoreUnavailable, match="the store cannot be written"):
        await cut()
    assert announced == []
    async with store.write() as change:
        assert await change.get_account(2) is None
        await change.put(account(4, AccountKind.USER))
    assert len(announced) == 1


async def test_the_outcome_of_a_commit_without_an_answer_is_unknown(
    store: Store, server: Server, database: str
) -> None:
    """Listeners are told to drop what they know, and the caller gets an error."""
    announced: list[Changes | None] = []
    store.subscribe(announced.append)

    async def cut() -> None:
        async with store.write() as change:
            await change.put(account(2, AccountKind.USER))
            server.sql(END_OTHERS.format(database))

    with pytest.raises(StoreUnavailable, match="may not have been kept"):
        await cut()
    assert announced == [None]


async def test_a_warning_at_the_commit_makes_its_outcome_unknown(
    store: Store, server: Server, database: str
) -> None:
    """As the one by which PostgreSQL tells that no standby has confirmed it."""
    warns = (
        "CREATE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN RAISE WARNING 'canceling wait'; RETURN NULL; END$$; "
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON wardgate.accounts "
        "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION warn()"
    )
    server.sql(warns, database)
    announced: list[Changes | None] = []
    store.subscribe(announced.append)

    async def make() -> None:
        async with store.write() as change:
            await change.put(account(2, AccountKind.USER))

    with pytest.raises(StoreUnavailable, match=r"may not have been kept: .*canceling wait"):
        await make()
    assert announced == [None]


async def test_a_refused_statement_leaves_the_connection_as_it_was(store: Store) -> None:
    """What is not unique is undone, and the next change needs no new connection."""
    postgres: Any = store

    async def twice() -> None:
        async with store.write() as change:
            await change.put_setting("a", "1")
            for number in (3, 4):
                await change.put(environment(number, "same"))

    connection = postgres._writer._connection
    with pytest.raises(NotUnique):
        await twice()
    async with store.write() as change:
        assert await change.settings() == {}
    assert postgres._writer._connection is connection


async def test_an_error_shows_no_row(store: Store) -> None:
    """PostgreSQL tells what is in a row that it refuses: for a key, the hash of its secret."""

    async def put_none() -> None:
        async with store.write() as change:
            await change.put(replace(account(2, AccountKind.USER), name=None))  # type: ignore[arg-type]

    with pytest.raises(StoreUnavailable, match="violates not-null constraint") as refused:
        await put_none()
    assert "Failing row" not in str(refused.value)


async def test_a_lock_that_somebody_keeps_is_told(
    store: Store, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the cause, and once: to ask again would only double the wait."""
    monkeypatch.setitem(SETTINGS, "lock_timeout", "100ms")
    other = await open_store(url)
    async with other.write() as change:
        await change.settings()  # its connection is one that waits from now on

    async def wait() -> None:
        async with other.write():
            pytest.fail("it had not waited for its turn")

    async with store.write():
        with pytest.raises(StoreUnavailable, match="due to lock timeout"):
            await wait()
    async with other.write() as change:
        await change.put(account(2, AccountKind.USER))
    await other.close()


async def test_nothing_is_changed_in_a_store_that_has_moved(
    store: Store, server: Server, database: str
) -> None:
    """A node that was not stopped may not know it yet: what it changed would be lost. One that
    waited for its turn meanwhile does not change anything either."""
    holding = (
        "BEGIN; LOCK TABLE wardgate.meta IN EXCLUSIVE MODE; SELECT pg_sleep(0.5); "
        "UPDATE wardgate.meta SET moved_to = 'sqlite:////b'; COMMIT"
    )
    moving = asyncio.ensure_future(asyncio.to_thread(server.sql, holding, database))
    await asyncio.sleep(0.25)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="it has moved to another one"):
            async with store.write() as change:
                await change.put(account(2, AccountKind.USER))
        await moving
    server.sql("UPDATE wardgate.meta SET moved_to = NULL", database)
    async with store.write() as change:
        assert await change.get_account(2) is None


async def test_changes_of_several_nodes_are_made_one_after_another(store: Store, url: str) -> None:
    """Each sees what the one before has made; revisions have no gap."""

    other = await open_store(url)
    start, _ = await store.load_settings()

    async def increase(node: Store) -> None:
        async with node.write() as change:
            seen = int((await change.settings()).get("n", "0"))
            await asyncio.sleep(0)
            await change.put_setting("n", str(seen + 1))

    await asyncio.gather(*(increase(node) for node in (store, other) * 20))
    assert await store.load_settings() == (start + 40, {"n": "40"})
    await other.close()


async def test_what_a_database_sets_for_its_sessions_does_not_change_what_a_change_means(
    store: Store, url: str, server: Server, database: str
) -> None:
    """Who waited for a change goes by what it made, and the warning at a commit is heard."""
    for setting in ("default_transaction_isolation = serializable", "client_min_messages = error"):
        server.sql(f"ALTER DATABASE {database} SET {setting}")
    other: Any = await open_store(url)
    in_use = (
        "SELECT current_setting('transaction_isolation'), current_setting('client_min_messages')"
    )
    async with other.write() as change:
        assert await change.rows(in_use) == [("read committed", "warning")]
    assert await other.feed._fetch(in_use) == [("read committed", "warning")]
    await other.close()


async def test_a_list_that_takes_long_is_given_up_and_delays_no_other_reader(store: Store) -> None:
    """The server ends it."""
    postgres: Any = store
    endless = asyncio.ensure_future(postgres.list_rows("SELECT pg_sleep(60)"))
    assert (await store.load_account(1))[1] is not None
    with pytest.raises(ListTooCostly):
        await endless


CANCEL_OTHERS = (
    "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity "
    "WHERE datname = '{}' AND state = 'active' AND pid <> pg_backend_pid()"
)


async def cancelled(step: Awaitable[Any], server: Server, database: str) -> None:
    """Have the server cancel what a step asks it for, until the step ends."""
    running = asyncio.ensure_future(step)
    while not running.done():
        server.sql(CANCEL_OTHERS.format(database))
        await asyncio.sleep(0.01)
    await running


async def test_what_the_gateway_reads_is_no_list(
    store: Store, server: Server, database: str
) -> None:
    """Where the server cancels it, it is unavailable, as for each other cause."""
    postgres: Any = store
    with pytest.raises(StoreUnavailable, match="the store cannot be read: canceling statement"):
        await cancelled(postgres._loads.rows("SELECT pg_sleep(60)", ()), server, database)


async def test_a_change_that_the_server_cancels_holds_up_no_other(
    store: Store, server: Server, database: str
) -> None:
    """Also where that is on the way to its commit: its lock is given up."""
    slow = (
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN PERFORM pg_sleep(60); RETURN NULL; END$$; "
        "CREATE TRIGGER late AFTER UPDATE ON wardgate.meta EXECUTE FUNCTION slow()"
    )
    server.sql(slow, database)
    announced: list[Changes | None] = []
    store.subscribe(announced.append)

    async def make() -> None:
        async with store.write() as change:
            await change.put(account(2, AccountKind.USER))

    with pytest.raises(StoreUnavailable, match=r"may not have been kept: .*canceling statement"):
        await cancelled(make(), server, database)
    assert announced == [None]
    server.sql("DROP TRIGGER late ON wardgate.meta", database)
    await make()


async def test_readers_write_nothing(store: Store) -> None:
    """Their connections refuse to."""
    postgres: Any = store
    with pytest.raises(StoreUnavailable, match="read-only transaction"):
        await postgres.rows("DELETE FROM accounts RETURNING id")
    assert await store.get_account(1)
