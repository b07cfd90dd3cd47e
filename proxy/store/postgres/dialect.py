"""The statements of `proxy/store/sql` as PostgreSQL reads them.

They are in the SQL that it shares with SQLite but for what is replaced here. Each is translated
once; none of them has a `?` or a `:` but for its placeholders.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from proxy.store.sql.connection import Values

_REPLACED: Final = (
    (re.compile(r" INDEXED BY \w+"), ""),
    (
        re.compile(r"\bjson_each\(\?\)"),
        "json_array_elements_text(CAST(? AS JSON)) AS listed (value)",
    ),
    (re.compile(r"\binstr\("), "strpos("),
    # As the columns do: the database's own collation may know other letters, or others for I.
    (re.compile(r"\blower\(\?\)"), 'lower(? COLLATE "C")'),
    # SQLite takes A to Z for a to z, and knows no escape character.
    (re.compile(r" LIKE (\?)"), r" ILIKE \1 ESCAPE ''"),
)
_PLACEHOLDER: Final = re.compile(r"\?|:(\w+)")


class Statement(NamedTuple):
    """A statement with `$1`, `$2` … for values."""

    sql: str
    names: tuple[str, ...]
    """Of the placeholders in their order; empty where they have none."""

    def arguments(self, values: Values) -> list[Any]:
        """The values in the order of the placeholders."""
        if isinstance(values, Mapping):
            return [values[name] for name in self.names]
        return list(values)


@lru_cache(maxsize=1024)
def translated(sql: str) -> Statement:
    """A statement of `proxy/store/sql`, for PostgreSQL."""
    for pattern, replacement in _REPLACED:
        sql = pattern.sub(replacement, sql)
    names: list[str] = []
    count = 0

    def numbered(found: re.Match[str]) -> str:
        nonlocal count
        count += 1
        if found[1]:
            names.append(found[1])
        return f"${count}"

    return Statement(_PLACEHOLDER.sub(numbered, sql), tuple(names))
