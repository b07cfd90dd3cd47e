"""Lists that take long: they are given up, and delay nothing but lists."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from proxy.domain.errors import ListTooCostly
from proxy.store.protocols import Store
from proxy.store.query import Query

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


async def test_a_statement_of_a_list_is_interrupted_after_its_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that waited for its turn is not, and the next list is read as ever."""
    monkeypatch.setattr("proxy.store.sqlite.connection.MOST_SECONDS", 0.1)
    sqlite: Any = store
    endless = [asyncio.ensure_future(sqlite.list_rows(ENDLESS)) for _ in range(2)]
    page = await store.list_accounts(Query())
    assert [each.id for each in page.records] == [1, 2]
    for each in endless:
        with pytest.raises(ListTooCostly):
            await each


async def test_a_list_that_takes_long_delays_no_other_reader(store: Store) -> None:
    """Neither what the gateway loads, nor single records, nor a change."""
    sqlite: Any = store
    endless = asyncio.ensure_future(sqlite.list_rows(ENDLESS))
    assert (await store.load_account(1))[1] is not None
    assert await store.get_environment(3) is not None
    async with store.write() as change:
        await change.put_setting("rotation_overlap", "1h")
    assert not endless.done()
    with pytest.raises(ListTooCostly):
        await endless
