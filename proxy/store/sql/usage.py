"""Usage as SQL: how counters are added to, summed up, and deleted when they are too old.

Tested by the contract suite, and the plans of the statements in
`tests/proxy/store/sqlite/test_usage.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from proxy.domain.usage import (
    CLIENT_CLOSED,
    DAY,
    Dimension,
    Series,
    Sums,
    UsageQuery,
    UsageRow,
)
from proxy.store.sql.connection import Row

TABLES: Final[Mapping[str, str]] = {
    "usage": "hour, key_id, environment_id, kind_id",
    "usage_totals": "hour, environment_id, kind_id",
}
"""Each table of counters, with its key."""

MEASURES: Final = 6
"""Of a `UsageRow`, besides its values."""
_SUMS: Final = ("requests", "received", "sent", "seconds")
_NAMED: Final = ("route", "method", "status", "reason")
_KIND: Final = "route = :route AND method = :method AND status = :status AND reason = :reason"


_ADD_KIND: Final = (
    "INSERT INTO usage_kinds (route, method, status, reason) "
    "VALUES (:route, :method, :status, :reason) ON CONFLICT DO NOTHING"
)


def _add(table: str, key: str) -> str:
    own = ", ".join(f":{column}" for column in key.split(", ")[:-1])
    return (
        f"INSERT INTO {table} ({key}, {', '.join(_SUMS)}) "
        f"SELECT {own}, id, {', '.join(f':{name}' for name in _SUMS)} "
        f"FROM usage_kinds WHERE {_KIND} "
        f"ON CONFLICT ({key}) DO UPDATE SET "
        + ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in _SUMS)
    )


ADD: Final[Mapping[str, tuple[str, ...]]] = {_ADD_KIND: _NAMED} | {
    _add(table, key): (*key.split(", ")[:-1], *_NAMED) for table, key in TABLES.items()
}
"""The statements that add counters to what is stored, each with the values by which these are to be
sorted, so that no two nodes wait for one another."""


def to_values(series: Series, sums: Sums) -> dict[str, Any]:
    """The values of `ADD`, by name."""
    return series._asdict() | {name: getattr(sums, name) for name in _SUMS}


def oldest(table: str) -> str:
    """The statement that yields the keys of the first counters before an hour: at most so many."""
    key = TABLES[table]
    return f"SELECT {key} FROM {table} WHERE hour < ? ORDER BY {key} LIMIT ?"


def delete(table: str) -> str:
    """The statement that deletes one counter, by its key."""
    condition = " AND ".join(f"{column} = ?" for column in TABLES[table].split(", "))
    return f"DELETE FROM {table} WHERE {condition}"


_COLUMNS: Final[Mapping[Dimension, str]] = {
    Dimension.HOUR: "counted.hour",
    Dimension.DAY: f"counted.hour - counted.hour % {DAY}",
    Dimension.ROUTE: "kind.route",
    Dimension.METHOD: "kind.method",
    Dimension.STATUS: "kind.status",
    Dimension.REASON: "kind.reason",
    Dimension.KEY: "counted.key_id",
    Dimension.ENVIRONMENT: "counted.environment_id",
}
_REFUSED: Final = f"kind.status = 4 AND kind.reason NOT IN ('', '{CLIENT_CLOSED}')"
_MEASURES: Final = ", ".join(
    f"CAST(coalesce(sum({each}), 0) AS {kind})"
    for each, kind in (
        ("counted.requests", "BIGINT"),
        (f"CASE WHEN {_REFUSED} THEN counted.requests ELSE 0 END", "BIGINT"),
        ("CASE WHEN kind.status = 5 THEN counted.requests ELSE 0 END", "BIGINT"),
        ("counted.received", "BIGINT"),
        ("counted.sent", "BIGINT"),
        ("counted.seconds", "DOUBLE PRECISION"),
    )
)


def sums(query: UsageQuery) -> tuple[str, list[Any]]:
    """The statement that yields the rows of `to_row`, and its values."""
    source, condition, values = _source(query)
    columns = [_COLUMNS[dimension] for dimension in query.by]
    places = ", ".join(str(place + 1) for place in range(len(columns)))
    grouped = f"GROUP BY {places} ORDER BY {places} " if columns else ""
    # CROSS JOIN: first the counters by their index, then the kind of each.
    sql = (
        f"SELECT {', '.join([*columns, _MEASURES])} "
        f"FROM {source} CROSS JOIN usage_kinds AS kind "
        "WHERE kind.id = counted.kind_id AND counted.hour >= ? AND counted.hour < ? "
        f"{condition}{grouped}LIMIT ?"
    )
    return sql, [query.start, query.end, *values, query.most]


def _source(query: UsageQuery) -> tuple[str, str, list[int]]:
    """The table to read, by which index, and which of its rows."""
    if query.key is not None:
        return "usage AS counted INDEXED BY usage_of_key", "AND counted.key_id = ? ", [query.key]
    if query.account is not None:
        source = (
            "keys AS owned INDEXED BY keys_of_account "
            "CROSS JOIN usage AS counted INDEXED BY usage_of_key"
        )
        condition = "AND owned.account_id = ? AND counted.key_id = owned.id "
        return source, condition, [query.account]
    table = "usage" if Dimension.KEY in query.by else "usage_totals"
    if query.environment is None:
        return f"{table} AS counted", "", []
    source = f"{table} AS counted INDEXED BY {table}_of_environment"
    return source, "AND counted.environment_id = ? ", [query.environment]


def to_row(row: Row) -> UsageRow:
    """A row of `sums`."""
    return UsageRow(tuple(row[:-MEASURES]), *row[-MEASURES:])
