"""Lists as statements: each reads one index from the cursor on, and stops.

Tested by the contract suite, and what it costs in `tests/proxy/store/sqlite/test_listing.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Generic, TypeAlias, TypeVar

from proxy.store.query import Cursor, Filter, Modifier, Page, Query, Value
from proxy.store.sql.connection import Row
from proxy.store.sql.rows import (
    ACCOUNT,
    AUDIT,
    DELIVERY,
    ENVIRONMENT,
    KEY_AND_USES,
    LIVE,
    MEMBERSHIP,
    USES,
    to_account,
    to_audited,
    to_delivery,
    to_environment,
    to_key,
    to_membership,
)

R = TypeVar("R")
Sql: TypeAlias = tuple[str, list[Any]]
"""A piece of a statement and the values of its placeholders."""

_OPERATORS: Final = {
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
    """Named in the statement, because SQLite's planner does not know how many rows there are."""
    null: Value | None = None
    """What stands for NULL in this column, the least of its values; None if nothing does."""


@dataclass(frozen=True, slots=True)
class Table(Generic[R]):
    """A table that can be listed."""

    name: str
    columns: str
    to_record: Callable[[Row], R]
    base: str
    """The condition of all rows, spelled exactly as in the schema, as its partial indexes need."""
    orders: Mapping[str, Order]
    """Column to sort by → its order."""
    searched: tuple[str, ...] = ()
    """The columns that `Modifier.SEARCH` looks in."""
    parts: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """(a column, a column to sort by) → the index that has this order among the rows with an equal
    value in the first one."""
    source: str = "{name} INDEXED BY {index}"
    """What the FROM clause names."""
    read: str = "{name}.*"
    """The columns that are read for what is `joined`, for `columns` and for filters."""
    joined: tuple[str, str] = ("", "true")
    """What else a record has, and on which condition: `examined` are the rows that were read."""


def _orders(
    table: str, nulls: Mapping[str, Value] | None = None, **columns: str
) -> dict[str, Order]:
    """Orders by these columns: name → the column in the index. `nulls`: what stands for NULL."""
    by = {
        name: Order(column, f"{table}_by_{name}", (nulls or {}).get(name))
        for name, column in columns.items()
    }
    return {"id": Order("number", f"{table}_by_id")} | by


ACCOUNTS: Final = Table(
    "accounts",
    ACCOUNT,
    to_account,
    LIVE,
    _orders("accounts", name="name", state="by_state", created="created"),
    ("name", "description"),
)
ENVIRONMENTS: Final = Table(
    "environments",
    ENVIRONMENT,
    to_environment,
    LIVE,
    _orders("environments", name="name", state="by_state", created="created"),
    ("name", "slug", "description"),
)
ENVIRONMENTS_OF_MEMBER: Final = Table(
    "environments",
    ENVIRONMENT,
    to_environment,
    f"id = environment_id AND {LIVE}",
    {**ENVIRONMENTS.orders, "id": Order("environment_id", "memberships_pair")},
    ENVIRONMENTS.searched,
    source="(SELECT environment_id FROM memberships INDEXED BY memberships_pair "
    "WHERE account_id = ?) AS joined CROSS JOIN environments",
)
"""By id the index has the order already. In any other order, all environments of the account are
sorted for each page; environments of others cost nothing."""
_KEY_ORDERS: Final = _orders(
    "keys",
    {"name": "", "expires": 0},
    name="by_name",
    state="by_state",
    created="created",
    expires="by_expires",
    role="role",
    access_key="access_key",
)
KEYS: Final = Table(
    "keys",
    KEY_AND_USES,
    to_key,
    LIVE,
    _KEY_ORDERS,
    ("name", "description", "access_key"),
    {("owner_id", sort): f"keys_of_owner_by_{sort}" for sort in _KEY_ORDERS},
    joined=(f"CROSS JOIN (SELECT key_id, {USES} FROM uses) AS used", "used.key_id = examined.id"),
)
KEYS_BY_USE: Final = Table(
    "uses",
    KEY_AND_USES,
    to_key,
    "live = 1",
    {"last_used": Order("by_last_used", "uses_by_last_used", 0)},
    KEYS.searched,
    {("owner_id", "last_used"): "uses_of_owner_by_last_used"},
    read=f"key_id, {USES}",
    joined=("CROSS JOIN keys", "keys.id = examined.key_id"),
)
"""Keys by their last use. Each has a row of uses, also where it was never used."""
MEMBERSHIPS: Final = Table(
    "memberships",
    MEMBERSHIP,
    to_membership,
    "true",
    {"id": Order("number", "memberships_by_id")},
    parts={
        ("account_id", "id"): "memberships_of_account",
        ("environment_id", "id"): "memberships_of_environment",
    },
)
AUDITS: Final = Table(
    "audit",
    AUDIT,
    to_audited,
    "true",
    {
        "sequence": Order("number", "audit_by_sequence"),
        "subject": Order("subject", "audit_by_subject"),
        "time": Order("time", "audit_by_time"),
    },
    ("account", "key", "address", "act", "subject"),
    {(column, "sequence"): f"audit_by_{column}" for column in ("account", "key", "subject")},
)


DELIVERIES: Final = Table(
    "webhook_messages",
    DELIVERY,
    to_delivery,
    "true",
    _orders("webhook_messages", created="created"),
)


async def fetch_page(
    table: Table[R],
    query: Query,
    rows: Callable[..., Awaitable[list[Row]]],
    source_values: Sequence[Any] = (),
) -> Page[R]:
    """The page of `table` for `query`.

    `rows` runs a statement, and what it raises is raised. `source_values` fill the placeholders of
    the table's source.
    """
    order = table.orders[query.sort]
    part, query = _part(table, query)
    index = order.index if part is None else table.parts[part.column, query.sort]
    base, values = _base(table, query, order, part)
    query = replace(
        query, filters=[each for each in query.filters if not _exact(each, query.sort, order)]
    )
    values = [*source_values, *values]
    direction = "DESC" if query.descending else "ASC"
    source = table.source.format(name=table.name, index=index)
    by = f"{order.column} {direction}, number {direction}"
    rows_read = f"FROM {source} WHERE {base} ORDER BY {by} LIMIT ?"
    beside, fits = table.joined
    condition, more = _all(
        [(fits, []), *(_condition(each, table.searched) for each in query.filters)]
    )
    read = table.read.format(name=table.name)
    sql = (
        f"WITH examined AS MATERIALIZED "
        f"(SELECT {read}, {order.column} AS place, number AS at {rows_read}) "
        f"SELECT place, at, {table.columns} FROM examined {beside} WHERE {condition} "
        f"ORDER BY place {direction}, at {direction} LIMIT ?"
    )
    found = await rows(sql, *values, query.examined, *more, query.limit + 1)
    records = [table.to_record(row[2:]) for row in found[: query.limit]]
    if len(found) > query.limit:
        return Page(records, Cursor(*found[query.limit - 1][:2]))
    if not query.filters:
        return Page(records)
    rest = await rows(
        f"SELECT {order.column}, number {rows_read} OFFSET ?", *values, 2, query.examined - 1
    )
    return Page(records, Cursor(*rest[0]), partial=True) if len(rest) > 1 else Page(records)


def _part(table: Table[R], query: Query) -> tuple[Filter | None, Query]:
    """The filter for whose value an index has the order, and the query without it: only rows that
    pass that filter are read, so it has no part in `Query.examined`."""
    for each in query.filters:
        indexed = (each.column, query.sort) in table.parts
        if indexed and each.modifier is Modifier.EQ and each.value is not None:
            return each, replace(query, filters=[one for one in query.filters if one is not each])
    return None, query


def _exact(condition: Filter, sort: str, order: Order) -> bool:
    """Whether `_base` reads no rows but those that pass this filter."""
    equal = condition.modifier is Modifier.EQ and condition.value is not None
    return equal and condition.column == sort and condition.value != order.null


def _base(table: Table[R], query: Query, order: Order, part: Filter | None) -> Sql:
    """The conditions that decide which part of the order's index is read."""
    conditions: list[Sql] = [(table.base, [])]
    if part is not None:
        conditions.append((f"{part.column} = ?", [part.value]))
    on_order = [each for each in query.filters if each.column == query.sort]
    equal = any(each.modifier in {Modifier.EQ, Modifier.NULL} for each in on_order)
    if (after := query.after) is not None:
        than = "<" if query.descending else ">"
        # Given two bounds on one side, SQLite seeks to either of them: so only the cursor is given.
        if equal:
            conditions.append((f"number {than} ?", [after.id]))
        else:
            conditions.append((f"({order.column}, number) {than} (?, ?)", [after.value, after.id]))
    for each in on_order:
        from_below, from_above = _bounds(each, order)
        beyond = after is not None and not equal
        if from_below and not (beyond and not query.descending):
            conditions.append(from_below)
        if from_above and not (beyond and query.descending):
            conditions.append(from_above)
    return _all(conditions)


def _bounds(condition: Filter, order: Order) -> tuple[Sql | None, Sql | None]:
    """Where in the order the matching rows begin, and where they end."""
    column, value = order.column, condition.value
    match condition.modifier:
        case Modifier.EQ:
            return (f"{column} = ?", [value]), None
        case Modifier.NULL:
            return (f"{column} = ?", [order.null]), None
        case Modifier.GT | Modifier.GTE:
            return (f"{column} >= ?", [value]), None
        case Modifier.LT | Modifier.LTE | Modifier.NULL_OR_LTE:
            return None, (f"{column} <= ?", [value])
        case Modifier.PREFIX:
            return (f"{column} >= ?", [value]), (f"{column} < ?", [f"{value}{_HIGHEST}"])
        case _:
            return None, None


def _condition(condition: Filter, searched: Sequence[str]) -> Sql:
    """A filter on its column. NULL matches only `NULL`, and differs from every value."""
    column, value = condition.column, condition.value
    match condition.modifier:
        case Modifier.NULL:
            return f"{column} IS NULL", []
        case Modifier.NOTNULL:
            return f"{column} IS NOT NULL", []
        case Modifier.NULL_OR_LTE:
            return f"coalesce({column} <= ?, true)", [value]
        case Modifier.NE if condition.last is not None:
            return f"coalesce({column} NOT BETWEEN ? AND ?, true)", [value, condition.last]
        case Modifier.NE:
            return f"coalesce({column} <> ?, true)", [value]
        case Modifier.PREFIX:
            return f"substr({column}, 1, length(?)) = ?", [value, value]
        case Modifier.LIKE:
            return f"{column} LIKE ?", [value]
        case Modifier.SEARCH:
            found = " OR ".join(f"instr(lower({each}), lower(?)) > 0" for each in searched)
            return found or "true", [value] * len(searched)
        case Modifier.NOTLIKE:
            return f"coalesce({column} NOT LIKE ?, true)", [value]
        case _:
            return f"{column} {_OPERATORS[condition.modifier]} ?", [value]


def _all(conditions: Sequence[Sql]) -> Sql:
    """All conditions, joined by AND."""
    values = [value for _, more in conditions for value in more]
    return " AND ".join(f"({sql})" for sql, _ in conditions) or "true", values
