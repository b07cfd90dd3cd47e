"""Making a PostgreSQL store, and refusing a database that has none that this program knows."""

from __future__ import annotations

import asyncio

import pytest

from proxy.domain.model import AccountKind
from proxy.domain.needs import KNOWN
from proxy.store.open import migrate_store, open_store
from proxy.store.postgres.address import parse_address
from proxy.store.postgres.schema import migrations
from proxy.store.protocols import Store, StoreError
from proxy.store.query import Query
from proxy.store.sqlite.schema import _migrations as sqlite_migrations
from tests.harness import account
from tests.support.postgres import Server
from tests.support.seed import used


def test_both_databases_have_schemas_of_the_same_numbers() -> None:
    """So a store can be copied from one to the other. It is what records may need at most."""
    assert max(migrations()) == max(sqlite_migrations()) == KNOWN


async def test_a_database_without_a_store_is_not_changed(
    url: str, database: str, server: Server
) -> None:
    """A store is made only where that is asked for."""
    with pytest.raises(StoreError, match=r"there is no store at .*: run `wardgate init"):
        await open_store(url)
    schemas = server.sql("SELECT nspname FROM pg_namespace", database).split()
    assert "public" in schemas
    assert "wardgate" not in schemas


async def test_a_store_is_beside_the_tables_of_other_programs(
    url: str, database: str, server: Server
) -> None:
    """It is in a schema of its own, so equal names do no harm."""
    server.sql("CREATE TABLE meta (theirs TEXT); CREATE TABLE keys ()", database)
    store = await open_store(url, create=True)
    async with store.write() as change:
        await change.put(account(1, AccountKind.ADMIN))
    assert await store.has_admin()
    await store.close()
    assert server.sql("SELECT count(*) FROM public.keys", database) == "0"


async def test_a_store_keeps_its_seal_key(url: str) -> None:
    """It is made once, with the store."""
    first = await open_store(url, create=True)
    await first.close()
    again = await open_store(url, create=True)
    assert again.seal_key == first.seal_key
    await again.close()


async def test_of_many_who_make_a_store_one_does(url: str) -> None:
    """All of them open the same."""
    stores = await asyncio.gather(*(open_store(url, create=True) for _ in range(5)))
    assert len({store.seal_key for store in stores}) == 1
    for store in stores:
        await store.close()


@pytest.mark.parametrize(
    ("schema", "cause"),
    [(999, "use the version of Wardgate that wrote it"), (9, "run `wardgate store migrate")],
)
async def test_a_store_of_another_schema_is_refused_and_not_changed(
    store: Store, url: str, database: str, server: Server, schema: int, cause: str
) -> None:
    """Only a person knows whether all nodes can do with another one."""
    changed = f"schema = {schema}, min_schema = {schema}"
    server.sql(f"UPDATE wardgate.meta SET {changed}", database)
    with pytest.raises(StoreError, match=cause):
        await open_store(url)
    assert server.sql("SELECT schema FROM wardgate.meta", database) == str(schema)


async def test_the_uses_of_keys_are_kept_where_a_store_is_migrated(
    url: str, database: str, server: Server
) -> None:
    """From schema 10, whose keys had them in their own rows."""
    first = migrations()[10]
    connection = await parse_address(url).connect(10)
    await connection.execute("CREATE SCHEMA wardgate")
    await connection.execute(first)
    await connection.execute("INSERT INTO meta VALUES (1, 0, 'x', 10)")
    await connection.close()
    server.sql(
        "SET search_path TO wardgate; INSERT INTO accounts VALUES (1, 'u', 'admin', 'a', NULL, "
        "'active', 5, NULL); INSERT INTO keys (id, uuid, access_key, secret_hash, sealed, "
        "account_id, role, state, created, last_used, use_count, rotated, previous_used, "
        "previous_count) VALUES (1, 'k', 'AAAA', 'x', 1, 1, 'owner', 'active', 5, 99, 3, 7, 8, 2), "
        "(2, 'k', 'BBBB', 'x', 1, 1, 'owner', 'removed', 5, 98, 1, NULL, NULL, 0)",
        database,
    )
    assert await migrate_store(url) == (10, max(migrations()))
    store = await open_store(url)
    (key,) = (await store.list_keys(Query("last_used"), owner=1)).records
    assert (key.id, key.last_used, key.use_count) == (1, 99, 3)
    assert (key.rotation.rotated, key.rotation.previous.last, key.rotation.previous.count) == (
        7,
        8,
        2,
    )
    await store.record_usage(used(1, 100, rotated=7, previous=True), {})
    again = await store.get_key(1)
    assert again
    assert again.rotation.previous.count == 3
    await store.close()


async def test_a_server_that_is_not_there_is_named(tmp_path: object) -> None:
    """With the cause."""
    url = f"postgresql:///w?host={tmp_path}"
    with pytest.raises(StoreError, match=r"store postgresql:///w.* cannot be used: .*No such file"):
        await open_store(url)
