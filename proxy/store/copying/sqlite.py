"""A SQLite store to copy from or into.

Tested in `tests/proxy/store/copying`.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from proxy.store.copying.database import BATCH, Row, Table
from proxy.store.protocols import StoreError
from proxy.store.sqlite.backup import JOURNALS, made_beside, require_vacant
from proxy.store.sqlite.lock import StoreLock
from proxy.store.sqlite.schema import (
    inspect,
    make_directory,
    newest_schema,
    prepare,
    require_exists,
    require_no_folder,
    require_sound,
    uri_of,
)

_HOLDER: Final = "wardgate store copy"
_MAKING: Final = "copy-"
_STORED: Final = (0, 1)
"""What `table_xinfo` says of a column that is not generated."""


class SqliteDatabase:
    """Implements `database.Database`."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db = db
        self._path = path

    def tables(self) -> dict[str, Table]:
        """All tables of the store by their names."""
        names = self.fetch("SELECT name FROM sqlite_schema WHERE type = 'table'")
        return {name: self._table(name) for (name,) in names if not name.startswith("sqlite_")}

    def _table(self, name: str) -> Table:
        described = self.fetch(f"PRAGMA table_xinfo({name})")
        columns = tuple(sorted(each[1] for each in described if each[6] in _STORED))
        key = sorted((each[5], each[1]) for each in described if each[5])
        return Table(name, columns, tuple(column for _, column in key) or columns)

    def fetch(self, sql: str, *values: Any) -> list[Row]:
        """All rows that a statement yields."""
        with _plain_errors(self._path):
            return self._db.execute(sql, values).fetchall()

    def read(self, table: Table) -> Iterator[Sequence[Row]]:
        """All rows of a table."""
        with _plain_errors(self._path):
            rows = self._db.execute(table.select)
        while True:
            with _plain_errors(self._path):
                batch = rows.fetchmany(BATCH)
            if not batch:
                return
            yield batch

    def add(self, table: Table, rows: Sequence[Row]) -> None:
        """Insert rows."""
        places = ", ".join("?" * len(table.columns))
        sql = f"INSERT INTO {table.name} ({', '.join(table.columns)}) VALUES ({places})"
        with _plain_errors(self._path):
            self._db.executemany(sql, rows)

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Within it rows are added fast."""
        indexes = self.fetch(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"
        )
        for name, _ in indexes:  # made again at the end, which is much faster
            self.fetch(f"DROP INDEX {name}")
        yield
        for _, sql in indexes:
            self.fetch(sql)
        astray = self.fetch("PRAGMA foreign_key_check")
        if astray:
            raise StoreError(f"a row of {astray[0][0]} leads to none of {astray[0][2]}")

    def last_ids(self) -> dict[str, int]:
        """Of each table whose ids the database gives, the last one."""
        return dict(self.fetch("SELECT name, seq FROM sqlite_sequence"))

    def set_last_ids(self, last: Mapping[str, int]) -> None:
        """Give later ids than these. Other tables give the id after the greatest that is there."""
        giving = "SELECT name FROM sqlite_schema WHERE sql LIKE '% AUTOINCREMENT%'"
        there = self.last_ids()
        for (name,) in self.fetch(giving):
            number = max(there.get(name, 0), last.get(name, 0))
            self.fetch("DELETE FROM sqlite_sequence WHERE name = ?", name)
            self.fetch("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", name, number)

    def begin_history(self, revision: int, now: int) -> None:
        """Nobody follows it: it has one node."""


class SqlitePlace:
    """Implements `database.Place`."""

    def __init__(self, path: Path) -> None:
        """`path` is resolved."""
        self._path = path

    @contextmanager
    def existing(self) -> Iterator[SqliteDatabase | None]:
        """What is there now, to be read."""
        with _plain_errors(self._path):
            inspect(self._path)
            if self._path.exists():
                with self._reading() as database:
                    yield database
            else:
                require_vacant(*(self._path.with_name(self._path.name + end) for end in JOURNALS))
                yield None

    @contextmanager
    def _reading(self) -> Iterator[SqliteDatabase]:
        with closing(sqlite3.connect(uri_of(self._path), uri=True, isolation_level=None)) as db:
            db.execute("BEGIN")
            yield SqliteDatabase(db, self._path)

    @contextmanager
    def source(
        self, *, moving: bool, dry_run: bool, moved: bool = False
    ) -> Iterator[SqliteDatabase]:
        """The store there. One of an older schema is migrated first where it is moved."""
        require_no_folder(self._path)
        require_exists(self._path)
        lock = StoreLock(self._path, _HOLDER) if moving else None
        try:
            with _plain_errors(self._path):
                require_sound(self._path)
                writing = moving and not dry_run
                if writing and not moved:
                    prepare(self._path)
                with self._writing() if writing else self._reading() as database:
                    self._require_newest(database)
                    yield database
        finally:
            if lock is not None:
                lock.release()

    @contextmanager
    def _writing(self) -> Iterator[SqliteDatabase]:
        with closing(sqlite3.connect(self._path, isolation_level=None)) as db:
            db.execute("PRAGMA synchronous = FULL")
            db.execute("BEGIN IMMEDIATE")
            yield SqliteDatabase(db, self._path)
            db.execute("COMMIT")

    def _require_newest(self, database: SqliteDatabase) -> None:
        ((version,),) = database.fetch("PRAGMA user_version")
        if version != newest_schema():
            raise StoreError(
                f"store {self._path} has schema {version}, this program needs {newest_schema()}: "
                "run `wardgate store migrate --config FILE` first"
            )

    @contextmanager
    def target(self) -> Iterator[SqliteDatabase]:
        """A new store without records."""
        make_directory(self._path)
        lock = StoreLock(self._path, _HOLDER)
        try:
            require_vacant(self._path)
            self._sweep()
            with _plain_errors(self._path), made_beside(self._path, _MAKING) as made:
                prepare(made)
                with closing(sqlite3.connect(made, isolation_level=None)) as db:
                    # What is left of it after a crash is not looked at, so it needs no journal.
                    for pragma in ("journal_mode = DELETE", "journal_mode = OFF"):
                        db.execute(f"PRAGMA {pragma}")
                    db.execute("PRAGMA synchronous = OFF")
                    db.execute("BEGIN")
                    yield SqliteDatabase(db, self._path)
                    db.execute("COMMIT")
        finally:
            lock.release()

    def _sweep(self) -> None:
        """Remove what a copy that was killed has left here; nobody else makes one now."""
        for folder in self._path.parent.glob(f".{self._path.name}.{_MAKING}*"):
            shutil.rmtree(folder, ignore_errors=True)

    def __str__(self) -> str:
        return f"sqlite:///{self._path}"


@contextmanager
def _plain_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"store {path} cannot be used: {error}") from None
    except OSError as error:
        raise StoreError(f"store {path} cannot be used: {error.strerror}") from None
