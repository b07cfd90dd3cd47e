"""The embedded store: SQLite in one process, with one connection that writes.

WAL with `synchronous=FULL` has every acknowledged change on the disk. There is one writer, because
several connections that write or checkpoint can corrupt a WAL in SQLite up to 3.51.2. Readers are
`query_only` and see the state before a change until it is committed.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path

import aiosqlite

from proxy.domain.rate_grants import RateDemand, RateGrant, RateLedger
from proxy.store.protocols import StoreError
from proxy.store.sql.store import SqlStore, uncancelled
from proxy.store.sqlite.connection import ListConnection, SqliteConnection
from proxy.store.sqlite.lock import StoreLock
from proxy.store.sqlite.schema import make_directory, prepare, require_exists, require_no_folder


class SqliteStore(SqlStore):
    """An open store. Implements `protocols.Store`."""

    def __init__(
        self,
        readers: list[aiosqlite.Connection],
        writer: aiosqlite.Connection,
        lock: StoreLock,
        seal_key: bytes,
        path: Path,
    ) -> None:
        reader, lister, loader = readers
        super().__init__(
            SqliteConnection(reader),
            ListConnection(lister),
            SqliteConnection(loader),
            SqliteConnection(writer, "written"),
            seal_key,
            str(path),
        )
        self._lock = lock
        self._rates = RateLedger()

    async def grant_rates(self, demands: Mapping[str, RateDemand]) -> dict[str, RateGrant]:
        """Grant parts of rates to the workers of this machine. They are kept in memory: whoever has
        the store is the only one that grants them."""
        return self._rates.grant(demands, time.monotonic_ns() // 1_000)

    @classmethod
    async def open(
        cls, path: str, *, create: bool, holder: str, lock: int | None = None
    ) -> SqliteStore:
        """Open the store in the file at `path`. `lock`: a handle that has its lock already. Raises
        `StoreError`."""
        return await uncancelled(cls._open(path, create, holder, lock))

    @classmethod
    async def _open(cls, name: str, create: bool, holder: str, held: int | None) -> SqliteStore:
        prepared = await asyncio.to_thread(_lock_and_prepare, name, create, holder, held)
        path, lock, seal_key = prepared
        connect = SqliteConnection.open
        try:
            writer = await connect(path, "synchronous = FULL", "foreign_keys = ON")
            try:
                readers = [await connect(path, "query_only = ON") for _ in range(3)]
            except BaseException:
                await writer.close()
                raise
        except sqlite3.Error as error:
            lock.release()
            raise StoreError(f"store {path} cannot be used: {error}") from None
        return cls(readers, writer, lock, seal_key, path)

    def _release(self) -> None:
        self._lock.release()


def take_lock(name: str, holder: str) -> int:
    """Take the lock of the store in this file, which exists, for this process and all to which it
    gives the handle: the store is locked until all of them have closed it. Raises `StoreError`."""
    path = Path(name).resolve()
    require_no_folder(path)
    require_exists(path)
    return StoreLock(path, holder).fd


def _lock_and_prepare(
    name: str, create: bool, holder: str, held: int | None
) -> tuple[Path, StoreLock, bytes]:
    """Lock a store and prepare its file: its path, lock and seal key. Raises `StoreError`."""
    try:
        return _lock_and_prepare_file(Path(name).resolve(), create, holder, held)
    except OSError as error:
        raise StoreError(f"store {name} cannot be used: {error.strerror}") from None


def _lock_and_prepare_file(
    path: Path, create: bool, holder: str, held: int | None
) -> tuple[Path, StoreLock, bytes]:
    require_no_folder(path)
    if create:
        make_directory(path)
    else:
        require_exists(path)  # before a lock file is made
    lock = StoreLock(path, holder, held)
    try:
        return path, lock, prepare(path)
    except BaseException:
        lock.release()
        raise
