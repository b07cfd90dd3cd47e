"""Connections to a SQLite file, and what becomes of their errors.

Tested by the contract suite, `tests/proxy/store/contract`, and `test_connection.py`.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import aiosqlite

from proxy.domain.errors import ListTooCostly, StoreUnavailable
from proxy.store.sql.connection import Row, Values, refused

MOST_SECONDS: Final = 1.0
"""For one statement of a list. `Query.examined` keeps what a client can ask for well below on a
machine that is not busy."""


class SqliteConnection:
    """Implements `connection.WritingConnection`."""

    def __init__(self, db: aiosqlite.Connection, use: str = "read") -> None:
        """`use` is what fails where the store does: it cannot be read, or cannot be written."""
        self.db = db
        self._failed = f"the store cannot be {use}"

    @classmethod
    async def open(cls, path: Path, *pragmas: str) -> aiosqlite.Connection:
        """A connection of the driver. Raises sqlite3.Error."""
        connection = await aiosqlite.connect(path, isolation_level=None)
        for pragma in ("busy_timeout = 5000", *pragmas):
            await connection.execute(f"PRAGMA {pragma}")
        # So that it has opened the WAL: when it is first used, there may be no file handle left.
        await connection.execute_fetchall("SELECT revision FROM meta")
        return connection

    async def rows(self, sql: str, values: Values) -> list[Row]:
        """All rows that a statement yields."""
        try:
            return list(await self.db.execute_fetchall(sql, values))
        except (sqlite3.Error, ValueError) as error:
            raise self._error(error) from None

    async def run_many(self, sql: str, values: Sequence[Values]) -> None:
        """Run a statement for each of `values`."""
        try:
            await self.db.executemany(sql, values) if values else None
        except (sqlite3.Error, ValueError) as error:
            raise self._error(error) from None

    def _error(self, error: sqlite3.Error | ValueError) -> Exception:
        """What it means. ValueError: the connection is closed."""
        if isinstance(error, sqlite3.IntegrityError):
            return refused(str(error))
        code = getattr(error, "sqlite_errorcode", None)
        if code == sqlite3.SQLITE_INTERRUPT:
            return ListTooCostly("reading the list took too long")
        return StoreUnavailable(f"{self._failed}: {error}")

    async def begin(self) -> None:
        """Begin a change. The clock of the one process that writes is the store's."""
        await self.rows("BEGIN IMMEDIATE", ())

    async def commit(self) -> None:
        """Commit."""
        await self.rows("COMMIT", ())

    async def rollback(self) -> None:
        """Undo the change, if it has begun."""
        if self.db.in_transaction:
            await self.rows("ROLLBACK", ())

    async def close(self) -> None:
        """Close it."""
        await self.db.close()


class ListConnection(SqliteConnection):
    """Reads lists, one at a time: a long list delays only other lists, and not for long.

    SQLite checks between two steps of a statement whether it was interrupted, so one that compares
    many records ends soon after its time is over.
    """

    def __init__(self, db: aiosqlite.Connection) -> None:
        super().__init__(db)
        self._turn = asyncio.Lock()

    async def rows(self, sql: str, values: Values) -> list[Row]:
        """All rows that a statement yields. Raises `ListTooCostly` after `MOST_SECONDS`."""
        async with self._turn:
            reading = asyncio.ensure_future(super().rows(sql, values))
            done, _ = await asyncio.wait({reading}, timeout=MOST_SECONDS)
            if not done:
                await self.db.interrupt()
            return await reading
