"""The schema of a PostgreSQL store: making it, migrating it, and refusing one that does not fit.

The rule that lives here: a program of an older schema goes on with a store of a newer one, so that
nodes can be upgraded one by one. So a migration only adds, and what it takes away waits until
`finish_upgrade` has raised `min_schema`, below which no program may use the store. A store is only
migrated when a person asks for it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from importlib.resources import files
from typing import Any, Final

import asyncpg

from proxy.store.postgres.address import SCHEMA, Address
from proxy.store.postgres.connection import POOLER
from proxy.store.protocols import StoreError
from proxy.store.state import require_usable

log = logging.getLogger("wardgate")

_LOCK: Final = 0x57617264
"""Of the one who makes or migrates: "Ward"."""
_EXISTS: Final = f"SELECT to_regclass('{SCHEMA}.meta') IS NOT NULL"
_STATE: Final = "SELECT * FROM meta"
"""All columns, whichever the schema has."""
_OWN: Final = frozenset({"revision", "seal_key", "schema"})
TRIES: Final = 30
_PAUSE: Final = 1.0
"""Seconds after which a migration is tried again that had to wait for others for too long."""


async def prepare(connection: asyncpg.Connection, address: Address, *, create: bool) -> bytes:
    """Make the store, where `create` says so and there is none, and return its seal key. Raises
    `StoreError`, and what the driver does."""
    state = await state_of(connection, address)
    if state is None and create:
        await migrate(connection)
        state = await state_of(connection, address)
    if state is None:
        raise StoreError(f"there is no store at {address}: run `wardgate init --config FILE` first")
    newest = newest_schema()
    require_usable(str(address), newest, state)
    if state["schema"] > newest:
        text = "store %s has schema %d, of a newer version: this program knows %d"
        log.info(text, address, state["schema"], newest)
    return bytes(state["seal_key"])


async def state_of(connection: asyncpg.Connection, address: Address) -> dict[str, Any] | None:
    """What a store says of itself, whichever its schema; None where there is no store. Raises
    `StoreError` where there is something else, and what the driver does."""
    if not await connection.fetchval(_EXISTS):
        return None
    if await connection.fetchval("SHOW search_path") != SCHEMA:
        raise StoreError(f"store {address} cannot be used: {POOLER} (it drops settings)")
    rows = [dict(row) for row in await connection.fetch(_STATE)]
    if len(rows) != 1 or _OWN - set(rows[0]):
        raise StoreError(
            f"{address} has a schema `{SCHEMA}` that is not a store of Wardgate: name another "
            "database"
        )
    return rows[0]


async def migrate(connection: asyncpg.Connection, pause: float = _PAUSE) -> tuple[int, int]:
    """Run each missing migration, all in one transaction: whole or not at all. Returns the numbers
    of the schema before, 0 for none, and after.

    Whoever uses a table holds it up, and it holds up all who come later. So it waits for 2 s at
    most, undoes all, and tries again after `pause` seconds. Raises what the driver does.
    """
    for left in reversed(range(TRIES)):
        try:
            async with connection.transaction():
                await connection.execute("SET LOCAL lock_timeout = '2s'")
                return await _run_missing(connection)
        except asyncpg.LockNotAvailableError:
            if not left:
                raise
            log.info("the store is busy: the migration is tried again")
            await asyncio.sleep(pause)
    raise AssertionError


async def _run_missing(connection: asyncpg.Connection) -> tuple[int, int]:
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
    before = version = 0
    if await connection.fetchval(_EXISTS):
        before = version = await connection.fetchval("SELECT schema FROM meta")
    else:
        await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    for number, sql in sorted(migrations().items()):
        if number <= version:
            continue
        await connection.execute(sql)
        if not version:
            key = secrets.token_bytes(32)
            await connection.execute("INSERT INTO meta VALUES (1, 0, $1, $2)", key, number)
        version = number
    await connection.execute("UPDATE meta SET schema = $1 WHERE schema <> $1", version)
    if not before:  # there is no older program that could use it
        await connection.execute("UPDATE meta SET min_schema = $1", version)
    return before, version


def newest_schema() -> int:
    """The newest schema that this program knows."""
    return max(migrations())


def migrations() -> dict[int, str]:
    """Schema number → the SQL that migrates to it from the schema before."""
    folder = files("proxy.store.postgres.migrations")
    return {
        int(file.name.removesuffix(".sql")): file.read_text("utf-8")
        for file in folder.iterdir()
        if file.name.endswith(".sql")
    }
