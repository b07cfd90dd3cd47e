"""The embedded store: SQLite in one process, with one connection that writes.

WAL with `synchronous=FULL` has every acknowledged change on the disk. There is one writer, because
several connections that write or checkpoint can corrupt a WAL in SQLite up to 3.51.2. Readers are
`query_only` and see the state before a change until it is committed.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from proxy.domain.audit import Audited
from proxy.domain.errors import StoreUnavailable
from proxy.domain.usage import Series, Sums
from proxy.store.protocols import (
    Listener,
    QuotaDemand,
    QuotaGrant,
    QuotaRefund,
    SecretRef,
    StoreError,
    Uses,
)
from proxy.store.sqlite import networks, quotas
from proxy.store.sqlite.admin_reader import AdminReader
from proxy.store.sqlite.gateway_reader import GatewayReader
from proxy.store.sqlite.list_reader import ListReader
from proxy.store.sqlite.lock import StoreLock
from proxy.store.sqlite.rows import Row
from proxy.store.sqlite.schema import make_directory, prepare, require_exists, require_no_folder
from proxy.store.sqlite.transaction import SqliteTransaction
from proxy.store.sqlite.usage import ADD, ADD_USES, to_values, uses_row

T = TypeVar("T")

log = logging.getLogger("wardgate")


class SqliteStore(AdminReader, GatewayReader):
    """An open store. Implements `protocols.Store`."""

    def __init__(
        self,
        reader: aiosqlite.Connection,
        lister: aiosqlite.Connection,
        loader: aiosqlite.Connection,
        writer: aiosqlite.Connection,
        lock: StoreLock,
        seal_key: bytes,
        path: Path,
    ) -> None:
        AdminReader.__init__(self, reader)
        self._lists = ListReader(lister)
        GatewayReader.__init__(self, loader)
        self.seal_key = seal_key
        self._writer = writer
        self._path = path
        self._lock = lock
        self._writing = asyncio.Lock()
        self._listeners: list[Listener] = []
        self._wanting: Callable[[str], Sequence[str]] = lambda _: ()
        self._wake: Callable[[], None] = lambda: None
        self._reports: list[Callable[[str | None], None]] = []
        self._closed = False

    @classmethod
    async def open(cls, path: str, *, create: bool, holder: str) -> SqliteStore:
        """Open the store in the file at `path`. Raises `StoreError`."""
        return await uncancelled(cls._open(path, create, holder))

    @classmethod
    async def _open(cls, name: str, create: bool, holder: str) -> SqliteStore:
        path, lock, seal_key = await asyncio.to_thread(_lock_and_prepare, name, create, holder)
        try:
            writer = await _connect(path, "synchronous = FULL", "foreign_keys = ON")
            try:
                reader, lister, loader = [await _connect(path, "query_only = ON") for _ in range(3)]
            except BaseException:
                await writer.close()
                raise
        except sqlite3.Error as error:
            lock.release()
            raise StoreError(f"store {path} cannot be used: {error}") from None
        return cls(reader, lister, loader, writer, lock, seal_key, path)

    def subscribe(self, listener: Listener) -> None:
        """Have `listener` called in the event loop at each commit."""
        self._listeners.append(listener)

    def watch(self, report: Callable[[str | None], None]) -> None:
        """Have `report` called after each change."""
        self._reports.append(report)

    def announce_to(
        self, wanting: Callable[[str], Sequence[str]], wake: Callable[[], None]
    ) -> None:
        """Write messages to webhooks from now on."""
        self._wanting, self._wake = wanting, wake

    async def list_rows(self, sql: str, *values: Any) -> list[Row]:
        """All rows that a statement of a list yields."""
        return await self._lists.rows(sql, *values)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[SqliteTransaction]:
        """Begin a change; entering waits for the change before. Raises `StoreUnavailable`."""
        async with self._writing:
            if self._closed:
                raise StoreUnavailable("the store cannot be written: it is closed")
            change = SqliteTransaction(self._writer, self._wanting)
            try:
                try:
                    await uncancelled(change.begin())
                    yield change
                except BaseException:
                    await uncancelled(change.rollback())
                    raise
                await uncancelled(self._commit(change))
            except StoreUnavailable as error:
                cause = f"{error} ({self._path})"
                self._report(cause)
                raise StoreUnavailable(cause) from None
            self._report(None)

    def _report(self, cause: str | None) -> None:
        for report in self._reports:
            report(cause)

    async def _commit(self, change: SqliteTransaction) -> None:
        """Commit and call the listeners: one step, which nothing interrupts."""
        try:
            changes = await change.commit()
        except (sqlite3.Error, StoreUnavailable) as error:
            # The change may be on the disk or not: listeners must drop what they hold in memory.
            for listener in self._listeners:
                listener(None)
            with suppress(StoreUnavailable):
                await change.rollback()
            raise StoreUnavailable(f"the change may not have been kept: {error}") from None
        for audited in change.audited:
            _log_audited(audited)
        if changes is not None:
            for listener in self._listeners:
                listener(changes)
        if change.announced:
            self._wake()

    async def record_usage(
        self, uses: Mapping[SecretRef, Uses], usage: Mapping[Series, Sums]
    ) -> None:
        """Add the uses of each secret, and what was counted."""
        counted = [to_values(series, sums) for series, sums in usage.items()]
        async with self.write() as change:
            for previous, sql in ADD_USES.items():
                of_kind = {ref: use for ref, use in uses.items() if ref.previous is previous}
                await change.run_many(sql, [uses_row(*each) for each in of_kind.items()])
            noted = networks.rows_of(uses)
            await change.run_many(networks.ADD, noted)
            await change.run_many(networks.FORGET, noted)
            for sql in ADD:
                await change.run_many(sql, counted)

    async def grant_quotas(
        self, demands: Mapping[str, QuotaDemand], refunds: Sequence[QuotaRefund], now: int
    ) -> dict[str, QuotaGrant]:
        """Grant parts of quotas, and take back what was not spent of earlier ones."""
        async with self.write() as change:
            return await quotas.grant(change, demands, refunds, now)

    async def close(self) -> None:
        """Wait for the changes that have begun, close, and release the lock."""
        await uncancelled(self._close())

    async def _close(self) -> None:
        async with self._writing:
            if self._closed:
                return
            self._closed = True
            await self._db.close()
            await self._lists.close()
            await self._loads.close()
            await self._writer.close()  # the last one: it moves the WAL into the file
            self._lock.release()


def _log_audited(audited: Audited) -> None:
    """Log the entry's number and hash, out of reach of those who can only write to the store: with
    them `wardgate audit verify --head NUMBER:HASH` detects a rewritten audit log."""
    entry = audited.entry
    actor = entry.actor
    who = f"{actor.account}/{actor.key or 'openid'}" if actor.account else "the command line"
    text = "audit %d:%s %s %s by %s"
    log.info(text, audited.sequence, audited.hash, entry.action, entry.subject, who)


def _lock_and_prepare(name: str, create: bool, holder: str) -> tuple[Path, StoreLock, bytes]:
    """Lock a store and prepare its file: its path, lock and seal key. Raises `StoreError`."""
    try:
        return _lock_and_prepare_file(Path(name).resolve(), create, holder)
    except OSError as error:
        raise StoreError(f"store {name} cannot be used: {error.strerror}") from None


def _lock_and_prepare_file(path: Path, create: bool, holder: str) -> tuple[Path, StoreLock, bytes]:
    require_no_folder(path)
    if create:
        make_directory(path)
    else:
        require_exists(path)  # before a lock file is made
    lock = StoreLock(path, holder)
    try:
        return path, lock, prepare(path)
    except BaseException:
        lock.release()
        raise


async def _connect(path: Path, *pragmas: str) -> aiosqlite.Connection:
    connection = await aiosqlite.connect(path, isolation_level=None)
    for pragma in ("busy_timeout = 5000", *pragmas):
        await connection.execute(f"PRAGMA {pragma}")
    # So that it has opened the WAL: when it is first used, there may be no file handle left.
    await connection.execute_fetchall("SELECT revision FROM meta")
    return connection


async def uncancelled(step: Coroutine[Any, Any, T]) -> T:
    """Run `step` to its end even if the caller is cancelled; then raise the cancellation."""
    task = asyncio.ensure_future(step)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
        except BaseException:  # the step's own, raised below
            break
    if cancelled is not None:
        task.exception()
        raise cancelled
    return task.result()
