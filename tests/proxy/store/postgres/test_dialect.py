"""Statements in the SQL that both databases share, as PostgreSQL reads them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.domain.model import AccountKind
from proxy.store.open import open_store
from proxy.store.postgres.dialect import translated
from proxy.store.query import Filter, Modifier, Query
from tests.harness import account, environment
from tests.support.postgres import Server


@pytest.mark.parametrize(
    ("shared", "postgres"),
    [
        ("SELECT 1", "SELECT 1"),
        ("WHERE a = ? AND b = ?", "WHERE a = $1 AND b = $2"),
        ("VALUES (:b, :a, :b)", "VALUES ($1, $2, $3)"),
        ("FROM keys INDEXED BY keys_by_id WHERE true", "FROM keys WHERE true"),
        ("name LIKE ?", "name ILIKE $1 ESCAPE ''"),
        ("coalesce(name NOT LIKE ?, true)", "coalesce(name NOT ILIKE $1 ESCAPE '', true)"),
        ("instr(lower(a), lower(?)) > 0", 'strpos(lower(a), lower($1 COLLATE "C")) > 0'),
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


async def test_letters_are_those_of_the_columns_in_a_database_of_any_locale(
    server: Server, database: str, url: str
) -> None:
    """Such a database has lower case for more letters than A to Z, which the columns have not."""
    there = f"{database}_unicode"
    made = "TEMPLATE template0 LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'"
    server.sql(f"CREATE DATABASE {there} {made}")
    store = await open_store(url.replace(database, there), create=True)
    async with store.write() as change:
        await change.put(replace(account(1, AccountKind.ADMIN), name="École"))
        await change.put(environment(2, "INFRA"))
    search = Query(filters=[Filter("name", Modifier.SEARCH, "ÉC")])
    assert [each.id for each in (await store.list_accounts(search)).records] == [1]
    found = await store.find_environment("infra")
    assert found
    assert found.id == 2
    await store.close()
