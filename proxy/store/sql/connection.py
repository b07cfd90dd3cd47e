"""What the statements of a store need of a connection, whichever database it is to.

Statements are written in the SQL that SQLite and PostgreSQL share, with `?` or `:name` for values.
What they have to say differently is in `proxy/store/postgres/dialect.py`. There is nothing to test:
these are protocols, which mypy checks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias

from proxy.domain.errors import NotUnique, StoreUnavailable

Row: TypeAlias = Sequence[Any]
Values: TypeAlias = Sequence[Any] | Mapping[str, Any]
"""Of the placeholders of a statement: by their places, or by their names."""

NUMBERS: Final = "(SELECT CAST(value AS BIGINT) FROM json_each(?))"
"""The numbers in a JSON array: one placeholder, however many there are."""
TEXTS: Final = "(SELECT CAST(value AS TEXT) FROM json_each(?))"
"""The strings in one."""
EVERY: Final = 2**63 - 1
"""The limit of a statement that has none: OFFSET needs one in SQLite."""


class Connection(Protocol):
    """A connection, or several of them, by which statements are run."""

    async def rows(self, sql: str, values: Values) -> list[Row]:
        """All rows that a statement yields. Raises `NotUnique`, `StoreUnavailable`, and
        `ListTooCostly` where it was interrupted because it took too long."""
        ...

    async def close(self) -> None: ...


class WritingConnection(Connection, Protocol):
    """The connection by which changes are made, one at a time."""

    async def run_many(self, sql: str, values: Sequence[Values]) -> None:
        """Run a statement for each of `values`. Raises `NotUnique`, `StoreUnavailable`."""
        ...

    async def begin(self) -> int | None:
        """Begin a change. Returns its time by the store's own clock, in milliseconds since the
        epoch, where the store has one. Raises `StoreUnavailable`."""
        ...

    async def commit(self) -> None:
        """Raises `StoreUnavailable`, after which it is unknown whether the change was kept."""
        ...

    async def rollback(self) -> None:
        """Undo the change, if it has begun. Raises `StoreUnavailable`."""
        ...


def refused(constraint: str) -> NotUnique | StoreUnavailable:
    """The error for a statement that was refused by a constraint, which is told from what the
    database says of it."""
    for column, field, noun in (
        ("access_key", "publicValue", "access key"),
        ("slug", "slug", "slug"),
        ("memberships", "accountId", "account's membership"),
    ):
        if column in constraint:
            return NotUnique(field, f"this {noun} is taken")
    return StoreUnavailable(f"the store refused the change: {constraint}")
