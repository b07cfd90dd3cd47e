"""Making the schema of a PostgreSQL store, and refusing one that this program does not know.

A schema is made or migrated only when a person asks for it, since other nodes may be running.
"""

from __future__ import annotations

import secrets
from importlib.resources import files
from typing import Final

import asyncpg

from proxy.store.postgres.address import SCHEMA, Address
from proxy.store.protocols import StoreError

_LOCK: Final = 0x57617264
"""Of the one who makes or migrates: "Ward"."""
_EXISTS: Final = f"SELECT to_regclass('{SCHEMA}.meta') IS NOT NULL"


async def prepare(connection: asyncpg.Connection, address: Address, *, create: bool) -> bytes:
    """Make the store, where `create` says so and there is none, and return its seal key. Raises
    `StoreError`, and what the driver does."""
    if not await connection.fetchval(_EXISTS):
        if not create:
            raise StoreError(
                f"there is no store at {address}: run `wardgate init --config FILE` first"
            )
        await _migrate(connection)
    found, newest = await connection.fetchval("SELECT schema FROM meta"), max(migrations())
    if found > newest:
        raise StoreError(
            f"store {address} has schema {found}, this program knows up to {newest}: "
            "use the version of Wardgate that wrote it, or a later one"
        )
    if found < newest:
        if not create:
            raise StoreError(
                f"store {address} has schema {found}, this program needs {newest}: "
                "run `wardgate store migrate --config FILE` first"
            )
        await _migrate(connection)
    return bytes(await connection.fetchval("SELECT seal_key FROM meta"))


async def _migrate(connection: asyncpg.Connection) -> None:
    """Run each missing migration, all in one transaction: whole or not at all."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        version = 0
        if await connection.fetchval(_EXISTS):
            version = await connection.fetchval("SELECT schema FROM meta")
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
        await connection.execute("UPDATE meta SET schema = $1", version)


def migrations() -> dict[int, str]:
    """Schema number → the SQL that migrates to it from the schema before."""
    folder = files("proxy.store.postgres.migrations")
    return {
        int(file.name.removesuffix(".sql")): file.read_text("utf-8")
        for file in folder.iterdir()
        if file.name.endswith(".sql")
    }
