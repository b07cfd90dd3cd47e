"""Lists as SQLite statements that walk one index, and stop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeAlias, TypeVar

from proxy.store.query import MAX_EXAMINED, Filter, Found, Modifier, Place, Query
from proxy.store.rows import (
    ACCOUNT,
    AUDIT,
    ENVIRONMENT,
    KEY,
    LIVE,
    MEMBERSHIP,
    Row,
    to_account,
    to_audited,
    to_environment,
    to_key,
    to_membership,
)

R = TypeVar("R")
Sql: TypeAlias = tuple[str, list[Any]]
"""A piece of a statement and the values of its marks."""

_COMPARES: Final = {
    Modifier.EQ: "=",
    Modifier.NE: "<>",
    Modifier.LT: "<",
    Modifier.LTE: "<=",
    Modifier.GT: ">",
    Modifier.GTE: ">=",
}
_HIGHEST: Final = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Table(Generic[R]):
    """A table that can be listed."""

    name: str
    columns: str
    of: Callable[[Row], R]
    base: str
    """To the letter as in the schema, so that its partial indexes serve."""
    orders: Mapping[str, str]
    """Column → the expression that is indexed for it, which is never NULL."""
    id: str = "id"


_COMMON: Final = {"id": "id", "state": "state", "created": "created"}
ACCOUNTS: Final = Table("accounts", ACCOUNT, to_account, LIVE, _COMMON | {"name": "name"})
ENVIRONMENTS: Final = Table(
    "environments", ENVIRONMENT, to_environment, LIVE, _COMMON | {"name": "name"}
)
KEYS: Final = Table(
    "keys",
    KEY,
    to_key,
    LIVE,
    _COMMON | {"name": "coalesce(name, '')", "expires": "coalesce(expires, 0)"},
)
MEMBERSHIPS: Final = Table("memberships", MEMBERSHIP, to_membership, "true", {"id": "id"})
AUDITS: Final = Table(
    "audit",
    AUDIT,
    to_audited,
    "true",
    {"id": "sequence", "subject": "subject"},
    id="sequence",
)


async def found(
    table: Table[R],
    query: Query,
    rows: Callable[..., Awaitable[list[Row]]],
    within: Sequence[tuple[str, Any]] = (),
) -> Found[R]:
    """What `query` finds, `rows` running a statement. `within` are conditions on indexed columns
    with their value. Raises what `rows` raises."""
    order = table.orders[query.sort]
    base, values = _base(table, query, order, within)
    direction = "DESC" if query.descending else "ASC"
    by = f"{order} {direction}" + (f", {table.id} {direction}" if order != table.id else "")
    examined = MAX_EXAMINED if query.filters else query.limit + 1
    condition, more = _all([_condition(each) for each in query.filters])
    sql = (
        f"WITH scanned AS MATERIALIZED (SELECT *, {order} AS place, {table.id} AS number "
        f"FROM {table.name} WHERE {base} ORDER BY {by} LIMIT ?) "
        f"SELECT place, number, {table.columns} FROM scanned WHERE {condition} "
        f"ORDER BY place {direction}, number {direction} LIMIT ?"
    )
    got = await rows(sql, *values, examined, *more, query.limit + 1)
    records = [table.of(row[2:]) for row in got[: query.limit]]
    if len(got) > query.limit:
        return Found(records, Place(*got[query.limit - 1][:2]))
    if not query.filters:
        return Found(records)
    last = (
        f"SELECT {order}, {table.id} FROM {table.name} WHERE {base} ORDER BY {by} LIMIT 2 OFFSET ?"
    )
    rest = await rows(last, *values, MAX_EXAMINED - 1)
    return Found(records, Place(*rest[0]), partial=True) if len(rest) > 1 else Found(records)


def _base(table: Table[R], query: Query, order: str, within: Sequence[tuple[str, Any]]) -> Sql:
    """What decides how much of the order's index is walked."""
    conditions: list[Sql] = [(table.base, [])]
    conditions += [(condition, [value]) for condition, value in within]
    if query.after is not None:
        than = "<" if query.descending else ">"
        if order == table.id:
            conditions.append((f"{order} {than} ?", [query.after.id]))
        else:
            conditions.append((f"({order}, {table.id}) {than} (?, ?)", list(query.after)))
    for each in query.filters:
        if each.column == query.sort:
            conditions.append(_range(each, order))
    return _all(conditions)


def _range(given: Filter, order: str) -> Sql:
    """The part of the order's index in which all that fits `given` lies."""
    value = given.value
    match given.modifier:
        case Modifier.EQ | Modifier.LT | Modifier.LTE | Modifier.GT | Modifier.GTE:
            return f"{order} {_COMPARES[given.modifier]} ?", [value]
        case Modifier.PREFIX:
            return f"{order} >= ? AND {order} < ?", [value, f"{value}{_HIGHEST}"]
        case _:
            return "true", []


def _condition(given: Filter) -> Sql:
    """A filter on its column. NULL fits none but `NULL`, and is not equal to any value."""
    column, value = given.column, given.value
    match given.modifier:
        case Modifier.NULL:
            return f"{column} IS NULL", []
        case Modifier.NOTNULL:
            return f"{column} IS NOT NULL", []
        case Modifier.NE:
            return f"{column} IS NOT ?", [value]
        case Modifier.PREFIX:
            return f"substr({column}, 1, length(?)) = ?", [value, value]
        case Modifier.LIKE:
            return f"{column} LIKE ?", [value]
        case Modifier.NOTLIKE:
            return f"coalesce({column} NOT LIKE ?, true)", [value]
        case _:
            return f"{column} {_COMPARES[given.modifier]} ?", [value]


def _all(conditions: Sequence[Sql]) -> Sql:
    """All of them together."""
    values = [value for _, more in conditions for value in more]
    return " AND ".join(f"({sql})" for sql, _ in conditions) or "true", values
