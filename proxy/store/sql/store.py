"""A store over SQL, whichever database has it: one change at a time, and who is told of it.

Tested by the contract suite, `tests/proxy/store/contract`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from operator import itemgetter
from typing import Any, ClassVar, TypeVar

from proxy.domain.audit import Audited
from proxy.domain.errors import StoreUnavailable
from proxy.domain.usage import Series, Sums
from proxy.store.feed import Feed
from proxy.store.protocols import (
    Changes,
    Listener,
    QuotaDemand,
    QuotaGrant,
    QuotaRefund,
    SecretRef,
    Uses,
)
from proxy.store.sql import networks, quotas
from proxy.store.sql import uses as sql_uses
from proxy.store.sql.admin_reader import AdminReader
from proxy.store.sql.connection import Connection, Row, WritingConnection
from proxy.store.sql.gateway_reader import GatewayReader
from proxy.store.sql.transaction import SqlTransaction
from proxy.store.sql.usage import ADD, to_values

T = TypeVar("T")

log = logging.getLogger("wardgate")


class SqlStore(AdminReader, GatewayReader):
    """An open store. Implements `protocols.Store`."""

    _transaction: ClassVar[type[SqlTransaction]] = SqlTransaction
    _turn_seconds: ClassVar[float | None] = None
    """For how long a change waits for those before it in this process. None: as long as they last,
    since the disk alone can hold them up."""

    def __init__(
        self,
        reader: Connection,
        lister: Connection,
        loader: Connection,
        writer: WritingConnection,
        seal_key: bytes,
        place: str,
    ) -> None:
        """`reader` reads for the admin server, `lister` its lists, and `loader` for the gateway.
        `place` says in an error which store it is."""
        AdminReader.__init__(self, reader)
        GatewayReader.__init__(self, loader)
        self.seal_key = seal_key
        self._lists = lister
        self._writer = writer
        self._place = place
        self._writing = asyncio.Lock()
        self._listeners: list[Listener] = []
        self._wanting: Callable[[str], Sequence[str]] = lambda _: ()
        self._wake: Callable[[], None] = lambda: None
        self._reports: list[Callable[[str | None], None]] = []
        self._closed = False

    @property
    def feed(self) -> Feed | None:
        """How the changes of other nodes are followed."""
        return None

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
        return await self._lists.rows(sql, values)

    def write(self) -> AbstractAsyncContextManager[SqlTransaction]:
        """Begin a change; entering waits for the change before. Raises `StoreUnavailable`."""
        return self._changing(self._writer, self._writing)

    def _counting(self) -> AbstractAsyncContextManager[SqlTransaction]:
        """Begin to add to counters, which no decision depends on."""
        return self.write()

    @asynccontextmanager
    async def _changing(
        self, writer: WritingConnection, turn: asyncio.Lock
    ) -> AsyncIterator[SqlTransaction]:
        try:
            async with in_turn(turn, self._turn_seconds):
                if self._closed:
                    raise StoreUnavailable("the store cannot be written: it is closed")
                change = self._transaction(writer, self._wanting)
                try:
                    await uncancelled(change.begin())
                    yield change
                except BaseException:
                    await uncancelled(change.rollback())
                    raise
                await uncancelled(self._commit(change))
        except StoreUnavailable as error:
            cause = f"{error} ({self._place})"
            self._report(cause)
            raise StoreUnavailable(cause) from None
        self._report(None)

    def _report(self, cause: str | None) -> None:
        if self._closed:
            return  # nothing is wrong with the store
        for report in self._reports:
            report(cause)

    async def _commit(self, change: SqlTransaction) -> None:
        """Commit and call the listeners: one step, which nothing interrupts."""
        try:
            changes = await change.commit()
        except Exception as error:
            # The change may be on the disk or not: listeners must drop what they hold in memory.
            if change.changed:
                self._tell(None)
            with suppress(StoreUnavailable):
                await change.rollback()
            if not isinstance(error, StoreUnavailable):
                raise
            raise StoreUnavailable(f"the change may not have been kept: {error}") from None
        for audited in change.audited:
            _log_audited(audited)
        if changes is not None:
            await self._announce(changes)
        if change.announced:
            self._wake()

    async def _announce(self, changes: Changes) -> None:
        """Have listeners told of a change that was committed."""
        self._tell(changes)

    def _tell(self, changes: Changes | None) -> None:
        for listener in self._listeners:
            listener(changes)

    async def record_usage(
        self, uses: Mapping[SecretRef, Uses], usage: Mapping[Series, Sums]
    ) -> None:
        """Add the uses of each secret, and what was counted."""
        counted = [to_values(series, sums) for series, sums in usage.items()]
        async with self._counting() as change:
            await change.run_many(sql_uses.ADD, sql_uses.rows_of(uses))
            # Whoever has added uses of a key has its networks to itself.
            noted = networks.rows_of(uses)
            await change.run_many(networks.ADD, noted)
            await change.run_many(networks.FORGET, noted)
            for sql, names in ADD.items():
                await change.run_many(sql, sorted(counted, key=itemgetter(*names)))

    async def grant_quotas(
        self, demands: Mapping[str, QuotaDemand], refunds: Sequence[QuotaRefund], now: int
    ) -> dict[str, QuotaGrant]:
        """Grant parts of quotas, and take back what was not spent of earlier ones."""
        async with self.write() as change:
            return await quotas.grant(change, demands, refunds, now)

    async def close(self) -> None:
        """Wait for the changes that have begun, close, and release what holds the store."""
        await uncancelled(self._close())

    async def _close(self) -> None:
        async with self._writing:
            if self._closed:
                return
            self._closed = True
            for each in (self._connection, self._lists, self._loads):
                await each.close()
            await self._writer.close()  # the last one: SQLite's moves the WAL into the file
            self._release()

    def _release(self) -> None:
        """Let others have the store."""


def _log_audited(audited: Audited) -> None:
    """Log the entry's number and hash, out of reach of those who can only write to the store: with
    them `wardgate audit verify --head NUMBER:HASH` detects a rewritten audit log."""
    entry = audited.entry
    actor = entry.actor
    who = f"{actor.account}/{actor.key or 'openid'}" if actor.account else "the command line"
    text = "audit %d:%s %s %s by %s"
    log.info(text, audited.sequence, audited.hash, entry.action, entry.subject, who)


@asynccontextmanager
async def in_turn(turn: asyncio.Lock, seconds: float | None) -> AsyncIterator[None]:
    """Have a lock, after so many seconds at most. Raises `StoreUnavailable`."""
    try:
        async with asyncio.timeout(seconds):
            await turn.acquire()
    except TimeoutError:
        text = "the store cannot be written: the changes before take too long"
        raise StoreUnavailable(text) from None
    try:
        yield
    finally:
        turn.release()


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
