"""Statements in the SQL that both databases share, as PostgreSQL reads them."""

from __future__ import annotations

import pytest

from proxy.store.postgres.dialect import translated


@pytest.mark.parametrize(
    ("shared", "postgres"),
    [
        ("SELECT 1", "SELECT 1"),
        ("WHERE a = ? AND b = ?", "WHERE a = $1 AND b = $2"),
        ("VALUES (:b, :a, :b)", "VALUES ($1, $2, $3)"),
        ("FROM keys INDEXED BY keys_by_id WHERE true", "FROM keys WHERE true"),
        ("name LIKE ?", "name ILIKE $1 ESCAPE ''"),
        ("coalesce(name NOT LIKE ?, true)", "coalesce(name NOT ILIKE $1 ESCAPE '', true)"),
        ("instr(lower(a), lower(?)) > 0", "strpos(lower(a), lower($1)) > 0"),
        (
            "id IN (SELECT CAST(value AS BIGINT) FROM json_each(?))",
            "id IN (SELECT CAST(value AS BIGINT) "
            "FROM json_array_elements_text(CAST($1 AS JSON)) AS listed (value))",
        ),
    ],
)
def test_what_the_two_say_differently_is_replaced(shared: str, postgres: str) -> None:
    """Nothing else is."""
    assert translated(shared).sql == postgres


def test_values_come_in_the_order_of_their_placeholders() -> None:
    """A name that occurs twice has its value twice, for PostgreSQL finds out a type for each."""
    assert translated("VALUES (:b, :a, :b)").arguments({"a": 1, "b": 2, "c": 3}) == [2, 1, 2]
    assert translated("VALUES (?, ?)").arguments((1, None)) == [1, None]
