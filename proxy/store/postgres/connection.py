"""Connections to PostgreSQL, and what becomes of their errors.

A connection that fails is ended, never repaired: what it was about to do is then undone by the
server, and the next one begins anew. No statement is cancelled from here.

Tested by the contract suite, `tests/proxy/store/contract`, and `test_connection.py`.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final, TypeAlias

import asyncpg

from proxy.domain.errors import ListTooCostly, StoreUnavailable
from proxy.store.postgres.dialect import translated
from proxy.store.sql.connection import Row, Values, refused

Connect: TypeAlias = Callable[[], Awaitable[asyncpg.Connection]]

MOST_SECONDS: Final = 10.0
"""For one statement. Who reads has no longer to wait for its turn and a connection either: where
nothing is answered, those who wait would otherwise add up their times."""
END_SECONDS: Final = 1.0
"""For taking leave of the server."""
TURN_SECONDS: Final = 5.0
"""For which a change waits for those before it on this node: as long as the server has it wait for
those of other nodes (`lock_timeout`), and as long as it takes to notice that nothing is answered.
Else, the times of all that wait would add up."""
LIST_SECONDS: Final = 1.0
"""For one statement of a list. `Query.examined` keeps what a client can ask for well below on a
machine that is not busy."""

LOCK: Final = (
    "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) "
    "FROM (SELECT 1 FROM meta WHERE id = 1 AND moved_to IS NULL FOR UPDATE) AS locked"
)
"""Changes are made one after another, from the first statement on: what one of them reads is so
until it is kept, revisions have no gap, and the audit log is one chain. It yields the time once the
lock is taken: no change is older than the one before. A store that has moved yields nothing."""

FAILURES: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
"""What the driver raises, also while the server goes away."""


def meaning(error: BaseException, use: str) -> Exception:
    """The error of a store for one of `FAILURES`. `use`: the store cannot be read, or written."""
    match error:
        case asyncpg.IntegrityConstraintViolationError():
            return refused(error.constraint_name or _said(error))
        case TimeoutError():
            return StoreUnavailable(f"the store cannot be {use}: it does not answer")
        case asyncpg.PostgresError():
            return StoreUnavailable(f"the store cannot be {use}: {_said(error)}")
    return StoreUnavailable(f"the store cannot be {use}: {error}")


POOLER: Final = "a pooler is in between, which a node cannot use: name PostgreSQL itself"


_SHARED: Final = (asyncpg.DuplicatePreparedStatementError, asyncpg.InvalidSQLStatementNameError)
"""What a session says that has statements of somebody else, or lacks one's own."""


def _said(error: asyncpg.PostgresError) -> str:
    """The message alone: its details may show a whole row, with the hash of a secret."""
    return str(error.args[0])


async def end(connection: asyncpg.Connection) -> None:
    """End a connection, whether or not the server is still there."""
    with suppress(*FAILURES):
        await connection.close(timeout=END_SECONDS)


def cause_of(error: BaseException) -> str:
    """What to tell of a connection that cannot be made."""
    if isinstance(error, TimeoutError):
        return "it does not answer"
    if isinstance(error, asyncpg.ProtocolViolationError) and "startup parameter" in str(error):
        return f"{POOLER} ({error})"
    if isinstance(error, _SHARED):
        return f"{POOLER} (its sessions are shared with others)"
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        return "no server of it takes writes: it is a standby"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate does not verify: {error.verify_message}"
    return str(error) or type(error).__name__


class Pool:
    """Implements `connection.Connection` by connections that are made when they are needed."""

    def __init__(self, connect: Connect, most: int) -> None:
        """At most so many at a time; who finds none waits."""
        self._connect = connect
        self._idle: list[asyncpg.Connection] = []
        self._room = asyncio.Semaphore(most)
        self._closed = False

    async def rows(self, sql: str, values: Values) -> list[Row]:
        """All rows that a statement yields."""
        statement = translated(sql)
        try:
            async with asyncio.timeout(MOST_SECONDS), self._room:
                return await self._answer(statement.sql, statement.arguments(values))
        except FAILURES as error:
            raise self._meaning(error) from None

    async def _answer(self, sql: str, arguments: list[Any]) -> list[Row]:
        waiting = self._waiting()
        if waiting is not None:
            try:
                return await self._read(waiting, sql, arguments)
            except FAILURES as error:
                # It may have been lost while it waited; reading twice does no harm.
                if isinstance(error, TimeoutError) or not waiting.is_closed():
                    raise
        return await self._read(await self._connected(), sql, arguments)

    def _meaning(self, error: BaseException) -> Exception:
        return meaning(error, "read")

    async def _read(
        self, connection: asyncpg.Connection, sql: str, arguments: list[Any]
    ) -> list[Row]:
        try:
            found = await connection.fetch(sql, *arguments)
        except BaseException as error:
            # One that the server has answered, even by an error, is as good as before.
            if isinstance(error, asyncpg.PostgresError) and not self._closed:
                self._idle.append(connection)
            else:
                connection.terminate()
            raise
        if self._closed:
            connection.terminate()
        else:
            self._idle.append(connection)
        return [tuple(row) for row in found]

    def _waiting(self) -> asyncpg.Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        return None

    async def _connected(self) -> asyncpg.Connection:
        if self._closed:
            raise asyncpg.InterfaceError("it is closed")
        return await self._connect()

    def renew(self) -> None:
        """End the connections that are not in use: their server may be gone."""
        while self._idle:
            self._idle.pop().terminate()

    async def close(self) -> None:
        """End all connections."""
        self._closed = True
        ending, self._idle = self._idle, []
        await asyncio.gather(*map(end, ending))


class ListPool(Pool):
    """Reads lists, of which the server ends one that takes too long."""

    def _meaning(self, error: BaseException) -> Exception:
        if isinstance(error, asyncpg.QueryCanceledError):
            return ListTooCostly("reading the list took too long")
        return super()._meaning(error)


class Writer:
    """Implements `connection.WritingConnection`, by one connection at a time."""

    def __init__(self, connect: Connect, *, lock: str | None = LOCK) -> None:
        """`lock`: the statement by which a change begins, if any."""
        self._connect = connect
        self._lock = lock
        self._connection: asyncpg.Connection | None = None
        self._warnings: list[str] = []

    async def begin(self) -> int | None:
        """Begin a change, once the change before is over, on whichever node that is made."""
        fresh = self._connection is None
        try:
            return await self._begin()
        except StoreUnavailable:
            # That of the change before may have been lost meanwhile; else the answer is no.
            if fresh or self._connection is not None:
                raise
            return await self._begin()

    async def _begin(self) -> int | None:
        await self._run(self._start)
        if self._lock is None:
            return None
        time = await self._run(self._begun.fetchval, self._lock)
        if time is None:
            raise StoreUnavailable("the store cannot be written: it has moved to another one")
        return int(time)

    async def _start(self) -> None:
        if self._connection is None:
            self._connection = await self._connect()
            self._connection.add_log_listener(self._hear)
        await self._connection.execute("BEGIN", timeout=TURN_SECONDS)

    async def rows(self, sql: str, values: Values) -> list[Row]:
        """All rows that a statement yields."""
        statement = translated(sql)
        found = await self._run(self._begun.fetch, statement.sql, *statement.arguments(values))
        return [tuple(row) for row in found]

    async def run_many(self, sql: str, values: Sequence[Values]) -> None:
        """Run a statement for each of `values`."""
        if values:
            statement = translated(sql)
            each = [statement.arguments(one) for one in values]
            await self._run(self._begun.executemany, statement.sql, each)

    async def commit(self) -> None:
        """Commit. A warning meanwhile says that no standby has it, or not surely: then it is as
        unknown whether the change will be kept as when no answer comes (Patroni issue 1412)."""
        self._warnings.clear()
        done = await self._run(self._begun.execute, "COMMIT")
        if done != "COMMIT" or self._warnings:
            raise StoreUnavailable(f"the store cannot be written: {self._warnings or done}")

    async def rollback(self) -> None:
        """Undo the change, if it has begun."""
        if self._connection is not None and self._connection.is_in_transaction():
            await self._run(self._connection.execute, "ROLLBACK")

    async def close(self) -> None:
        """End it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await end(connection)

    @property
    def _begun(self) -> asyncpg.Connection:
        if self._connection is None:
            raise StoreUnavailable("the store cannot be written: the connection was lost")
        return self._connection

    async def _run(self, statement: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        try:
            return await statement(*arguments)
        except BaseException as error:
            answered = isinstance(error, asyncpg.PostgresError)
            if self._connection is not None and (not answered or self._connection.is_closed()):
                self._connection.terminate()
                self._connection = None
            if isinstance(error, FAILURES):
                raise meaning(error, "written") from None
            raise

    def _hear(self, _connection: Any, message: asyncpg.PostgresLogMessage) -> None:
        if message.severity_en == "WARNING":
            self._warnings.append(message.message)
