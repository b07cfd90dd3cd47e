"""Lists as SQLite statements that walk one index, and stop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeAlias, TypeVar

from proxy.store.query import MAX_EXAMINED, Cursor, Filter, Modifier, Page, Query
from proxy.store.sqlite.rows import (
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
class Order:
    """An order of a table: a column that is never NULL, and the index that has it."""

    column: str
    index: str
    """Named in the statement: SQLite's planner does not know how many rows there are."""


@dataclass(frozen=True, slots=True)
class Table(Generic[R]):
    """A table that can be listed."""

    name: str
    columns: str
    of: Callable[[Row], R]
    base: str
    """To the letter as in the schema, so that its partial indexes serve."""
    orders: Mapping[str, Order]
    """Column to sort by → its order."""
    source: str = "{name} INDEXED BY {index}"
    """What is walked."""


def _orders(table: str, **columns: str) -> dict[str, Order]:
    by = {name: Order(column, f"{table}_by_{name}") for name, column in columns.items()}
    return {"id": Order("number", f"{table}_by_id")} | by


ACCOUNTS: Final = Table(
    "accounts",
    ACCOUNT,
    to_account,
    LIVE,
    _orders("accounts", name="name", state="by_state", created="created"),
)
ENVIRONMENTS: Final = Table(
    "environments",
    ENVIRONMENT,
    to_environment,
    LIVE,
    _orders("environments", name="name", state="by_state", created="created"),
)
ENVIRONMENTS_OF_MEMBER: Final = Table(
    "environments",
    ENVIRONMENT,
    to_environment,
    LIVE,
    {**ENVIRONMENTS.orders, "id": Order("environment_id", "memberships_pair")},
    "(SELECT environment_id FROM memberships INDEXED BY memberships_pair WHERE account_id = ?) "
    "CROSS JOIN environments ON id = environment_id",
)
"""By id it is walked as it comes, in any other order all that one account is a member of is put in
order for each answer; how many others there are costs nothing."""
KEYS: Final = Table(
    "keys",
    KEY,
    to_key,
    LIVE,
    _orders("keys", name="by_name", state="by_state", created="created", expires="by_expires"),
)
MEMBERSHIPS: Final = Table(
    "memberships", MEMBERSHIP, to_membership, "true", {"id": Order("number", "memberships_by_id")}
)
AUDITS: Final = Table(
    "audit",
    AUDIT,
    to_audited,
    "true",
    {
        "sequence": Order("number", "audit_by_sequence"),
        "subject": Order("subject", "audit_by_subject"),
    },
)


async def found(
    table: Table[R],
    query: Query,
    rows: Callable[..., Awaitable[list[Row]]],
    *within: tuple[str, Any],
    index: str | None = None,
    of: Sequence[Any] = (),
) -> Page[R]:
    """What `query` finds, `rows` running a statement. `within` are further conditions with their
    value, `index` what has the order for these, and `of` the values of the table's source. Raises
    what `rows` raises."""
    order = table.orders[query.sort]
    base, values = _base(table, query, order.column, within)
    values = [*of, *values]
    direction = "DESC" if query.descending else "ASC"
    source = table.source.format(name=table.name, index=index or order.index)
    by = f"{order.column} {direction}, number {direction}"
    walk = f"FROM {source} WHERE {base} ORDER BY {by} LIMIT ?"
    condition, more = _all([_condition(each) for each in query.filters])
    sql = (
        f"WITH walked AS MATERIALIZED "
        f"(SELECT {table.name}.*, {order.column} AS place, number AS at {walk}) "
        f"SELECT place, at, {table.columns} FROM walked WHERE {condition} "
        f"ORDER BY place {direction}, at {direction} LIMIT ?"
    )
    examined = MAX_EXAMINED if query.filters else query.limit + 1
    got = await rows(sql, *values, examined, *more, query.limit + 1)
    records = [table.of(row[2:]) for row in got[: query.limit]]
    if len(got) > query.limit:
        return Page(records, Cursor(*got[query.limit - 1][:2]))
    if not query.filters:
        return Page(records)
    rest = await rows(f"SELECT {order.column}, number {walk} OFFSET ?", *values, 2, examined - 1)
    return Page(records, Cursor(*rest[0]), partial=True) if len(rest) > 1 else Page(records)


def _base(table: Table[R], query: Query, order: str, within: Sequence[tuple[str, Any]]) -> Sql:
    """What decides how much of the order's index is walked, and from where."""
    conditions: list[Sql] = [(table.base, [])]
    conditions += [(condition, [value]) for condition, value in within]
    mine = [each for each in query.filters if each.column == query.sort]
    equal = any(each.modifier is Modifier.EQ for each in mine)
    if (after := query.after) is not None:
        than = "<" if query.descending else ">"
        # Of two bounds on one side SQLite seeks to either, so there is but one: the place.
        if equal:
            conditions.append((f"number {than} ?", [after.id]))
        else:
            conditions.append((f"({order}, number) {than} (?, ?)", [after.value, after.id]))
    for each in mine:
        from_below, from_above = _bounds(each, order)
        beyond = after is not None and not equal
        if from_below and not (beyond and not query.descending):
            conditions.append(from_below)
        if from_above and not (beyond and query.descending):
            conditions.append(from_above)
    return _all(conditions)


def _bounds(given: Filter, order: str) -> tuple[Sql | None, Sql | None]:
    """Where in the order what fits `given` begins, and where it ends."""
    value = given.value
    match given.modifier:
        case Modifier.EQ:
            return (f"{order} = ?", [value]), None
        case Modifier.GT | Modifier.GTE:
            return (f"{order} >= ?", [value]), None
        case Modifier.LT | Modifier.LTE:
            return None, (f"{order} <= ?", [value])
        case Modifier.PREFIX:
            return (f"{order} >= ?", [value]), (f"{order} < ?", [f"{value}{_HIGHEST}"])
        case _:
            return None, None


def _condition(given: Filter) -> Sql:
    """A filter on its column. NULL fits none but `NULL`, and is not equal to any value."""
    column, value = given.column, given.value
    match given.modifier:
        case Modifier.NULL:
            return f"{column} IS NULL", []
        case Modifier.NOTNULL:
            return f"{column} IS NOT NULL", []
        case Modifier.NE if given.last is not None:
            return f"coalesce({column} NOT BETWEEN ? AND ?, true)", [value, given.last]
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
