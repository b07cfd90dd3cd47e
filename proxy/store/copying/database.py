"""What copying needs of a database, whichever it is, and the tables that two of them share.

Tested in `tests/proxy/store/copying/test_tables.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

from proxy.store.protocols import StoreError

Row: TypeAlias = tuple[Any, ...]

BATCH: Final = 2_000
"""Rows in memory at a time, on either side."""
META: Final = "meta"
"""It has one row, which a new store has too: that row is changed, not copied."""
OF_ITS_OWN: Final = frozenset({"changes", "nodes", "rate_grants"})
"""The tables that each PostgreSQL store has for itself: who follows it, and what."""
SESSIONS: Final = "sessions"


@dataclass(frozen=True, slots=True)
class Table:
    """A table with the columns that are stored, in the order of their names."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    """The columns by which its rows are in the same order everywhere."""

    @property
    def select(self) -> str:
        """The statement that yields all rows in the order of `key`."""
        return f"SELECT {', '.join(self.columns)} FROM {self.name} ORDER BY {', '.join(self.key)}"


class Database(Protocol):
    """A database in a transaction. Its methods raise `StoreError`."""

    def tables(self) -> dict[str, Table]:
        """All tables of the store by their names."""

    def fetch(self, sql: str, *values: Any) -> list[Row]:
        """All rows that a statement yields; `?` stands for a value."""

    def read(self, table: Table) -> Iterator[Sequence[Row]]:
        """All rows of a table in the order of its key, at most `BATCH` at a time."""

    def add(self, table: Table, rows: Sequence[Row]) -> None:
        """Insert rows."""

    def loading(self) -> AbstractContextManager[None]:
        """Within it rows are added fast. At its end they are in all indexes, and every reference
        leads to a row."""

    def last_ids(self) -> dict[str, int]:
        """Of each table whose ids the database gives, the last one, which is never given again."""

    def set_last_ids(self, last: Mapping[str, int]) -> None:
        """Give later ids than these, and than those that are there."""

    def begin_history(self, revision: int, now: int) -> None:
        """Have the changes from `revision` on followed. `now`: milliseconds since the epoch."""


class Place(Protocol):
    """Where a store is or will be. Its methods raise `StoreError`."""

    def existing(self) -> AbstractContextManager[Database | None]:
        """What is there now, to be read; None if nothing is. Raises `StoreError` where a store
        can neither be nor be made."""

    def source(
        self, *, moving: bool, dry_run: bool, moved: bool = False
    ) -> AbstractContextManager[Database]:
        """The store there, as it is at one moment. With `moving`, nobody else has it open, and
        without `dry_run` what is written then is kept if the context ends without an error. Only
        with `moved` may it be one that has moved."""

    def target(self) -> AbstractContextManager[Database]:
        """A new store without records. It is there once the context ends without an error, and
        until then nothing is."""


def shared(source: Mapping[str, Table], target: Mapping[str, Table]) -> list[Table]:
    """The tables to copy, but for `META`. Raises `StoreError` for one that is only in one of the
    two, or has other columns there: nothing is left out without a word."""
    mine, others = set(source) - OF_ITS_OWN, set(target) - OF_ITS_OWN
    if mine != others:
        names = ", ".join(sorted(mine ^ others))
        raise StoreError(f"cannot copy the store: only one of the two has the table {names}")
    for name in mine - {META}:
        if source[name].columns != target[name].columns:
            raise StoreError(f"cannot copy the store: {name} has other columns in the new one")
    return [source[name] for name in sorted(mine - {META})]
