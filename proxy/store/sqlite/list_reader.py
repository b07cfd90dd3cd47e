"""Reads lists, on a connection of their own: a long list delays only other lists, and not for long.

SQLite checks between two steps of a statement whether it was interrupted, so one that compares many
records ends soon after its time is over.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import aiosqlite

from proxy.store.sqlite.admin_reader import AdminReader
from proxy.store.sqlite.rows import Row

MOST_SECONDS: Final = 1.0
"""For one statement. `Query.examined` keeps what a client can ask for well below on a machine that
is not busy."""


class ListReader(AdminReader):
    """Runs one statement at a time. Implements `rows` alone."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        super().__init__(connection)
        self._turn = asyncio.Lock()

    async def rows(self, sql: str, *values: Any) -> list[Row]:
        """All rows that a statement yields. Raises `StoreUnavailable`, `ListTooCostly`."""
        async with self._turn:
            reading = asyncio.ensure_future(super().rows(sql, *values))
            done, _ = await asyncio.wait({reading}, timeout=MOST_SECONDS)
            if not done:
                await self._db.interrupt()
            return await reading
