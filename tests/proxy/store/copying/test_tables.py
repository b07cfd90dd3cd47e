"""No table is forgotten when a store is copied."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from proxy.store.copying.database import META, OF_ITS_OWN, Table, shared
from proxy.store.open import open_store
from proxy.store.protocols import StoreError
from tests.proxy.store.copying.conftest import KINDS, place


def test_both_kinds_of_store_have_the_same_tables(new_url: Callable[[str], str]) -> None:
    """But for what follows the changes of one PostgreSQL store."""
    found = {}
    for kind in KINDS:
        url = new_url(kind)
        asyncio.run(make(url))
        with place(url).existing() as database:
            assert database is not None
            found[kind] = database.tables()
    sqlite, postgres = found["sqlite"], found["postgres"]
    assert postgres.keys() - sqlite.keys() == OF_ITS_OWN
    assert {each.name for each in shared(sqlite, postgres)} == sqlite.keys() - {META}
    assert [sqlite[name].key for name in sorted(sqlite)] == [
        postgres[name].key for name in sorted(sqlite)
    ]


async def make(url: str) -> None:
    """Make a store."""
    await (await open_store(url, create=True)).close()


ONE = {"meta": Table("meta", ("a",), ("a",)), "t": Table("t", ("a", "b"), ("a",))}


def test_a_table_that_only_one_of_two_stores_has_is_an_error() -> None:
    """So is a column."""
    with pytest.raises(StoreError, match="only one of the two has the table u"):
        shared(ONE, {**ONE, "u": Table("u", ("a",), ("a",))})
    with pytest.raises(StoreError, match="t has other columns"):
        shared(ONE, {**ONE, "t": Table("t", ("a",), ("a",))})
