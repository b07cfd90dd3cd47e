"""A PostgreSQL store to copy from or into.

The driver is asynchronous and copying is not: it does one thing after another, and nothing else.

Tested in `tests/proxy/store/copying`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar
from uuid import uuid4

from proxy.store.copying.database import BATCH, Row, Table
from proxy.store.postgres.address import SCHEMA, Address
from proxy.store.postgres.connection import FAILURES, cause_of
from proxy.store.postgres.dialect import translated
from proxy.store.postgres.schema import migrate, newest_schema, prepare
from proxy.store.protocols import StoreError

T = TypeVar("T")

_STATEMENT_SECONDS: Final = 24 * 3600.0
"""The longest statements make an index of a table."""
_TABLES: Final = (
    "SELECT c.relname, a.attname, array_position(k.conkey, a.attnum) "
    "FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
    "LEFT JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'p' "
    f"WHERE c.relnamespace = '{SCHEMA}'::regnamespace AND c.relkind = 'r' "
    "AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''"
)
_INDEXES: Final = (
    "SELECT c.relname, pg_get_indexdef(c.oid) "
    "FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
    f"WHERE c.relnamespace = '{SCHEMA}'::regnamespace AND NOT EXISTS "
    "(SELECT 1 FROM pg_constraint k WHERE k.conindid = c.oid AND k.contype IN ('p', 'u', 'x'))"
)
_REFERENCES: Final = (
    "SELECT CAST(CAST(conrelid AS regclass) AS TEXT), conname, pg_get_constraintdef(oid) "
    f"FROM pg_constraint WHERE connamespace = '{SCHEMA}'::regnamespace AND contype = 'f'"
)
_GIVEN_IDS: Final = (
    "SELECT c.relname, a.attname, pg_get_serial_sequence(CAST(CAST(c.oid AS regclass) AS TEXT), "
    "a.attname) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
    f"WHERE c.relnamespace = '{SCHEMA}'::regnamespace AND a.attidentity <> ''"
)
_NOW: Final = "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)"
_LIVE: Final = f"SELECT name FROM nodes WHERE left_at IS NULL AND seen + 2 * lease_ms > {_NOW}"
_FIRST_CHANGE: Final = (
    "INSERT INTO changes (revision, ordinal, nonce, time, kind) VALUES (?, 0, ?, ?, '0')"
)


class PostgresDatabase:
    """Implements `database.Database`."""

    def __init__(self, runner: asyncio.Runner, address: Address) -> None:
        """Connect to it. Raises `StoreError`."""
        self._runner = runner
        self._address = address
        settings = {"idle_in_transaction_session_timeout": "0"}
        self.connection = self.wait(address.connect(_STATEMENT_SECONDS, **settings))

    def wait(self, doing: Awaitable[T]) -> T:
        """The result of a call of the driver. Raises `StoreError`."""
        try:
            return self._runner.run(_done(doing))
        except FAILURES as error:
            raise StoreError(f"store {self._address} cannot be used: {cause_of(error)}") from None

    def tables(self) -> dict[str, Table]:
        """All tables of the store by their names."""
        columns: dict[str, list[tuple[str, int | None]]] = {}
        for name, column, at in self.fetch(_TABLES):
            columns.setdefault(name, []).append((column, at))
        return {name: _table(name, found) for name, found in columns.items()}

    def fetch(self, sql: str, *values: Any) -> list[Row]:
        """All rows that a statement yields."""
        statement = translated(sql).sql if values else sql
        return [*map(tuple, self.wait(self.connection.fetch(statement, *values)))]

    def read(self, table: Table) -> Iterator[Sequence[Row]]:
        """All rows of a table."""
        cursor = self.wait(self.connection.cursor(table.select))
        while batch := self.wait(cursor.fetch(BATCH)):
            yield [*map(tuple, batch)]

    def add(self, table: Table, rows: Sequence[Row]) -> None:
        """Insert rows."""
        self.wait(
            self.connection.copy_records_to_table(
                table.name, schema_name=SCHEMA, columns=table.columns, records=rows
            )
        )

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Within it rows are added fast."""
        indexes, references = self.fetch(_INDEXES), self.fetch(_REFERENCES)
        for name, _ in indexes:  # made again at the end, which is much faster
            self.fetch(f"DROP INDEX {name}")
        for table, name, _ in references:
            self.fetch(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        yield
        self.fetch("SET LOCAL maintenance_work_mem = '256MB'")
        for _, sql in indexes:
            self.fetch(sql)
        for table, name, definition in references:
            self.fetch(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
        for table in self.tables():
            self.fetch(f"ANALYZE {table}")

    def last_ids(self) -> dict[str, int]:
        """Of each table whose ids the database gives, the last one."""
        last = {}
        for table, _, sequence in self.fetch(_GIVEN_IDS):
            ((number, given),) = self.fetch(f"SELECT last_value, is_called FROM {sequence}")
            last[table] = number if given else number - 1
        return last

    def set_last_ids(self, last: Mapping[str, int]) -> None:
        """Give later ids than these, and than those that are there."""
        for table, column, sequence in self.fetch(_GIVEN_IDS):
            ((greatest,),) = self.fetch(f"SELECT coalesce(max({column}), 0) FROM {table}")
            number = max(greatest, last.get(table, 0))
            if number:
                self.fetch("SELECT setval(CAST(CAST(? AS TEXT) AS regclass), ?)", sequence, number)

    def begin_history(self, revision: int, now: int) -> None:
        """Have the changes from `revision` on followed, under a nonce that no other store has."""
        self.fetch("DELETE FROM changes")
        self.fetch(_FIRST_CHANGE, revision, uuid4(), now)


class PostgresPlace:
    """Implements `database.Place`."""

    def __init__(self, address: Address) -> None:
        self._address = address

    @contextmanager
    def existing(self) -> Iterator[PostgresDatabase | None]:
        """What is there now, to be read."""
        with self._connected() as database:
            database.fetch("BEGIN READ ONLY")
            there = f"to_regnamespace('{SCHEMA}')"
            ((store, others, may),) = database.fetch(
                f"SELECT to_regclass('{SCHEMA}.meta') IS NOT NULL, "
                f"EXISTS (SELECT 1 FROM pg_class WHERE relnamespace = {there}), "
                f"CASE WHEN {there} IS NOT NULL THEN has_schema_privilege({there}, 'CREATE') "
                "ELSE has_database_privilege(current_database(), 'CREATE') END"
            )
            if others and not store:
                raise StoreError(f"{self}: its schema {SCHEMA} has tables of something else")
            if not store and not may:
                raise StoreError(f"{self}: this user may not create the schema {SCHEMA} there")
            yield database if store else None

    @contextmanager
    def _connected(self) -> Iterator[PostgresDatabase]:
        with asyncio.Runner() as runner:
            database = PostgresDatabase(runner, self._address)
            try:
                yield database
            finally:
                database.connection.terminate()  # what is not committed is undone

    @contextmanager
    def source(
        self, *, moving: bool, dry_run: bool, moved: bool = False
    ) -> Iterator[PostgresDatabase]:
        """The store there. Where it is moved, nothing of it can be written meanwhile."""
        with self._connected() as database:
            writing = moving and not dry_run
            if not moved:
                database.wait(prepare(database.connection, self._address, create=False))
            self._require_newest(database)
            tables = ", ".join(sorted(database.tables()))
            database.fetch(
                f"BEGIN ISOLATION LEVEL REPEATABLE READ, {'READ WRITE' if writing else 'READ ONLY'}"
            )
            if writing:
                # The moment at which the store is read begins with the statement after this one.
                database.fetch(f"LOCK TABLE {tables} IN EXCLUSIVE MODE")
            if moving:
                self._require_unused(database)
            yield database
            if writing:
                database.fetch("COMMIT")

    def _require_newest(self, database: PostgresDatabase) -> None:
        ((found,),), known = database.fetch("SELECT schema FROM meta"), newest_schema()
        if found != known:
            raise StoreError(f"store {self} has schema {found}, this program copies {known}")

    def _require_unused(self, database: PostgresDatabase) -> None:
        nodes = ", ".join(name for (name,) in database.fetch(_LIVE))
        if nodes:
            raise StoreError(
                f"store {self} is in use by {nodes}: stop these nodes first; one that was killed "
                "counts until its lease has been over for a while"
            )

    @contextmanager
    def target(self) -> Iterator[PostgresDatabase]:
        """A new store without records."""
        with self._connected() as database:
            database.wait(database.connection.transaction().start())
            before, _ = database.wait(migrate(database.connection))
            if before:  # since it was looked at
                raise StoreError(f"there is a store at {self} already: it is not overwritten")
            yield database
            database.fetch("COMMIT")

    def __str__(self) -> str:
        return str(self._address)


async def _done(doing: Awaitable[T]) -> T:
    return await doing


def _table(name: str, found: Sequence[tuple[str, int | None]]) -> Table:
    columns = tuple(sorted(column for column, _ in found))
    key = sorted((at, column) for column, at in found if at is not None)
    return Table(name, columns, tuple(column for _, column in key) or columns)
