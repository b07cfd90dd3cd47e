"""An upgrade of nodes one by one: the store is migrated first, and older nodes go on until it is
finished."""

from __future__ import annotations

import asyncio
import threading
import time
from uuid import uuid4

import pytest

from proxy.domain.errors import StoreUnavailable
from proxy.domain.model import AccountKind
from proxy.store.feed import NodeIdentity
from proxy.store.open import finish_upgrade, migrate_store, open_store, store_status
from proxy.store.postgres import schema
from proxy.store.postgres.store import PostgresStore
from proxy.store.protocols import StoreError
from tests.harness import account
from tests.support.postgres import Server

NOW = schema.newest_schema()
NEXT = NOW + 1


@pytest.fixture
def newer(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on, this program is the next one, whose schema has one more column. The fixture's
    store was opened before, by the present one."""
    known = schema.migrations() | {NEXT: "ALTER TABLE keys ADD COLUMN colour TEXT"}
    monkeypatch.setattr(schema, "migrations", lambda: known)


def node(name: str) -> NodeIdentity:
    """A node with a short lease."""
    return NodeIdentity(uuid4(), name, 1.0)


@pytest.mark.usefixtures("newer")
async def test_a_store_is_migrated_only_where_that_is_asked_for(url: str) -> None:
    """Not by a start, nor by `init`, which runs again at each start of a container."""
    for create in (False, True):
        with pytest.raises(StoreError, match=f"has schema {NOW}, this program needs {NEXT}: run"):
            await open_store(url, create=create)
    assert await migrate_store(url) == (NOW, NEXT)
    assert await migrate_store(url) == (NEXT, NEXT)
    await (await open_store(url)).close()


async def test_an_older_program_goes_on_until_the_upgrade_is_finished(
    store: PostgresStore, url: str, newer: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It makes changes, starts anew and keeps its lease; then it has none any more, and is told."""
    await migrate_store(url)
    async with store.write() as change:
        await change.put(account(2, AccountKind.USER))
    with monkeypatch.context() as before:
        before.setattr(schema, "newest_schema", lambda: NOW)
        await (await open_store(url)).close()
    assert await store.feed.join(node("old"))
    assert await store.feed.beat(0)
    await store.feed.leave()
    assert await finish_upgrade(url) == (NOW, NEXT)
    assert await finish_upgrade(url) == (NEXT, NEXT)
    with pytest.raises(StoreUnavailable, match=f"needs a program that knows schema {NEXT}"):
        await store.feed.join(node("old"))
    with monkeypatch.context() as before:
        before.setattr("proxy.store.postgres.schema.newest_schema", lambda: NOW)
        with pytest.raises(StoreError, match="use the version of Wardgate that wrote it"):
            await open_store(url)


@pytest.mark.usefixtures("newer")
async def test_an_upgrade_is_not_finished_while_an_older_node_is_alive(
    store: PostgresStore, url: str
) -> None:
    """Only its beats tell that it is; one that stands still for its lease is dead."""
    await migrate_store(url)
    assert await store.feed.join(node("old"))
    asked: list[str] = []

    async def beat() -> None:
        while True:
            assert await store.feed.beat(0)
            await asyncio.sleep(0.1)

    beating = asyncio.create_task(beat())
    with pytest.raises(StoreError, match=r"the node old still runs version .*: upgrade or stop it"):
        await finish_upgrade(url, waiting=lambda name, _: asked.append(name))
    beating.cancel()
    await asyncio.gather(beating, return_exceptions=True)
    status = await store_status(url)
    assert (status.schema, status.min_schema) == (NEXT, NOW)
    assert [(each.name, each.schema, each.left) for each in status.nodes] == [("old", NOW, False)]
    assert await finish_upgrade(url, waiting=lambda name, _: asked.append(name)) == (NOW, NEXT)
    assert asked == ["old", "old"]
    assert not await store.feed.beat(0)  # it wakes up, and has no lease


def wait_until_held(server: Server, database: str) -> None:
    """Wait until somebody else uses the table of keys."""
    held = (
        "SELECT count(*) FROM pg_locks WHERE relation = 'wardgate.keys'::regclass "
        "AND mode = 'AccessShareLock' AND pid <> pg_backend_pid()"
    )
    while server.sql(held, database) == "0":
        time.sleep(0.05)


@pytest.mark.usefixtures("newer")
async def test_a_migration_waits_for_who_uses_a_table_and_holds_up_nobody_for_long(
    url: str, database: str, server: Server
) -> None:
    """It gives way, and tries again until the table is free."""
    holding = "BEGIN; LOCK TABLE wardgate.keys IN ACCESS SHARE MODE; SELECT pg_sleep(4); COMMIT"
    holder = threading.Thread(target=server.sql, args=(holding, database))
    holder.start()
    await asyncio.to_thread(wait_until_held, server, database)
    assert await migrate_store(url) == (NOW, NEXT)
    holder.join()


async def test_the_state_of_a_store_of_any_schema_can_be_shown(
    store: PostgresStore, url: str, database: str, server: Server
) -> None:
    """Of an older one, which has less to say, and of one that has moved."""
    server.sql("UPDATE wardgate.meta SET moved_to = 'sqlite:////b', schema = 999", database)
    shown = (await store_status(url)).as_text()
    assert f"schema      999, this program knows {NOW}" in shown
    assert "moved to    sqlite:////b" in shown
    server.sql(
        "ALTER TABLE wardgate.meta DROP min_schema, DROP store_id, DROP moved_to; "
        "DROP TABLE wardgate.nodes",
        database,
    )
    found = await store_status(url)
    assert (found.min_schema, found.store_id, found.nodes) == (None, None, [])


async def test_a_store_that_has_moved_is_refused_until_it_is_opened_again(
    store: PostgresStore, url: str, database: str, server: Server
) -> None:
    """The error says where it is, and how to take that back."""
    server.sql("UPDATE wardgate.meta SET moved_to = 'postgresql://db/wardgate'", database)
    told = "has moved to postgresql://db/wardgate; `wardgate store reopen` takes that back"
    with pytest.raises(StoreError, match=told):
        await open_store(url)


async def test_a_schema_that_is_no_store_is_refused_and_not_changed(
    url: str, database: str, server: Server
) -> None:
    """Whatever is to be done with it."""
    server.sql("CREATE SCHEMA wardgate; CREATE TABLE wardgate.meta (theirs TEXT)", database)
    for doing in (open_store(url, create=True), store_status(url), migrate_store(url)):
        with pytest.raises(StoreError, match="that is not a store of Wardgate"):
            await doing
    assert server.sql("SELECT count(*) FROM wardgate.meta", database) == "0"
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'wardgate'"
    assert server.sql(tables, database) == "1"
