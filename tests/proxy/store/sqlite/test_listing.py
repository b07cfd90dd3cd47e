"""What a list costs in SQLite: the same at any depth, and nothing for the records of others.

What a list holds is tested in `tests/proxy/store/contract/test_listing.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

import pytest

from proxy.domain.model import Membership, Role
from proxy.store.open import open_store
from proxy.store.protocols import Store
from proxy.store.query import Cursor, Filter, Modifier, Page, Query
from tests.harness import environment
from tests.proxy.store.adapters import sqlite_url
from tests.proxy.store.lists import SORTS, add_many_keys, position


async def steps_of(store: Store, listing: Awaitable[Page[Any]], records: int) -> int:
    """The steps of SQLite's virtual machine that it takes to list so many records."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    database = store._lists.db  # type: ignore[attr-defined]
    await database.set_progress_handler(count, 1)
    assert len((await listing).records) == records
    await database.set_progress_handler(None, 1)
    return steps


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with 25,000 keys; no test changes it."""

    async def fill(url: str) -> None:
        store = await open_store(url, create=True)
        await add_many_keys(store, 25_000)
        await store.close()

    with sqlite_url(tmp_path_factory.mktemp("many")) as url:
        asyncio.run(fill(url))
        return url


@pytest.mark.parametrize("owner", [None, 3])
@pytest.mark.parametrize("sort", SORTS)
async def test_a_late_page_costs_what_an_early_one_does(
    many: str, sort: str, owner: int | None
) -> None:
    """In every order, for all keys and for those of one owner."""
    store = await open_store(many)
    early = Query(sort, after=(await store.list_keys(Query(sort), owner=owner)).next)
    backwards = await store.list_keys(Query(sort, True, 1000), owner=owner)
    late = replace(early, after=Cursor(*position(backwards.records[-1], sort)))
    costs = [
        await steps_of(store, store.list_keys(query, owner=owner), 100) for query in (early, late)
    ]
    await store.close()
    assert abs(costs[1] - costs[0]) <= 0.05 * costs[0]


@pytest.mark.parametrize(
    ("sort", "column", "value"),
    [("state", "state", "active"), ("role", "role", "owner"), ("name", "owner_id", 3)],
)
async def test_a_filter_for_a_value_that_the_index_has_reads_no_other_records(
    many: str, sort: str, column: str, value: str | int
) -> None:
    """A page costs at most twice what it does without the filter."""
    store = await open_store(many)
    filtered = Query(sort, filters=[Filter(column, Modifier.EQ, value)])
    costs = [await steps_of(store, store.list_keys(each), 100) for each in (Query(sort), filtered)]
    await store.close()
    assert costs[1] <= 2 * costs[0]


@pytest.mark.parametrize("sort", ["id", "name", "state", "created"])
async def test_the_environments_of_others_cost_a_member_nothing(store: Store, sort: str) -> None:
    """However many there are; by id, a late page also costs no more than an early one."""
    async with store.write() as change:
        await change.put(environment(10, "mine"))
        await change.put(Membership(10, 1, 10, Role.MEMBER, 7))
    alone = await steps_of(store, store.list_environments(Query(sort), member=1), 1)
    async with store.write() as change:
        for number in range(11, 2011):
            await change.put(environment(number, f"other{number}"))
            await change.put(Membership(number, 2, number, Role.MEMBER, 7))
    cost = await steps_of(store, store.list_environments(Query(sort), member=1), 1)
    assert cost <= alone + 1  # the step that finds that the next one is another's
    if sort == "id":
        early, late = (Query(limit=50, after=Cursor(at, at)) for at in (20, 1900))
        costs = [
            await steps_of(store, store.list_environments(each, member=2), 50)
            for each in (early, late)
        ]
        assert abs(costs[1] - costs[0]) <= 0.05 * costs[0]
