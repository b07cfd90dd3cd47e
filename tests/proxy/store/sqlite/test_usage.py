"""What a report of the usage costs in SQLite: nothing for the usage of others or of other times.

What a report holds is tested in `tests/proxy/store/contract/test_usage.py`.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from proxy.domain.usage import DAY, HOUR, Dimension, Series, Sums, UsageQuery
from proxy.store.protocols import Store
from proxy.store.sql import usage
from tests.harness import new_key

NOW = 100 * DAY
LATELY = UsageQuery(NOW - DAY, NOW, (Dimension.HOUR, Dimension.REASON))
SUBJECTS: dict[str, dict[str, Any]] = {
    "all": {},
    "key": {"key": 1},
    "account": {"account": 1},
    "environment": {"environment": 3},
}


async def use(store: Store, key: int, environment: int, start: int, hours: int = 24) -> None:
    """Record requests with a key in each hour from `start` on."""
    series = Series(start, key, environment, "/**", "GET", 2)
    counted = {series._replace(hour=start + each * HOUR): Sums(1) for each in range(hours)}
    await store.record_usage({}, counted)


async def steps_of(store: Store, query: UsageQuery) -> int:
    """The steps of SQLite's virtual machine that a report takes."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    sqlite: Any = store
    database = sqlite._lists.db
    await database.set_progress_handler(count, 1)
    assert await store.sum_usage(query)
    await database.set_progress_handler(None, 1)
    return steps


@pytest.mark.parametrize(("subject", "by"), [*product(SUBJECTS, ((), *product(Dimension)))])
async def test_no_report_reads_a_whole_table(
    store: Store, subject: str, by: tuple[Dimension, ...]
) -> None:
    """Each reads by an index, first the counters of its time and then the kind of each."""
    sql, values = usage.sums(replace(LATELY, by=by, **SUBJECTS[subject]))
    sqlite: Any = store
    plan = [row[3] for row in await sqlite.list_rows(f"EXPLAIN QUERY PLAN {sql}", *values)]
    assert [step for step in plan if step.startswith("SCAN")] == []
    reads = [step for step in plan if step.startswith("SEARCH")]
    assert "hour>? AND hour<?" in reads[-2]
    assert reads[-1] == "SEARCH kind USING INTEGER PRIMARY KEY (rowid=?)"


@pytest.mark.parametrize("subject", SUBJECTS)
async def test_the_usage_of_others_and_of_other_times_costs_a_report_nothing(
    store: Store, subject: str
) -> None:
    """However much there is; that of all keys together is one total for each environment."""
    async with store.write() as change:
        await change.put(new_key(store, 1, account_id=1).key)
        for number in range(2, 30):
            await change.put(new_key(store, number, account_id=2).key)
    query = replace(LATELY, **SUBJECTS[subject])
    await use(store, 1, 3, LATELY.start)
    if subject == "all":
        await use(store, 2, 4, LATELY.start)
    alone = await steps_of(store, query)
    for number in range(2, 30):
        await use(store, number, 4, LATELY.start)
        await use(store, number, 3, LATELY.start - 20 * DAY)
    await use(store, 1, 3, LATELY.start - 50 * DAY, hours=24 * 50)
    # The only more: that the next counter is another's, or of another time.
    assert await steps_of(store, query) <= alone + 5


async def test_many_keys_cost_no_more_where_they_are_not_told_apart(store: Store) -> None:
    """Of an environment, and of everything: with totals, reports cost the same."""
    for others in (SUBJECTS["all"], SUBJECTS["environment"]):
        await use(store, 1, 3, LATELY.start)
        alone = await steps_of(store, replace(LATELY, **others))
        for number in range(2, 30):
            await use(store, number, 3, LATELY.start)
        assert await steps_of(store, replace(LATELY, **others)) == alone


async def test_counters_that_are_added_to_are_found_by_their_keys(store: Store) -> None:
    """As are those that are deleted."""
    sqlite: Any = store
    values = usage.to_values(Series(0, 1, 0, "/**", "GET", 2), Sums(1))
    for sql in usage.ADD:
        plan = await sqlite._writer.db.execute_fetchall(f"EXPLAIN QUERY PLAN {sql}", values)
        assert not any(row[3].startswith("SCAN") for row in plan)
    for table, key in usage.TABLES.items():
        found = await sqlite.list_rows(f"EXPLAIN QUERY PLAN {usage.oldest(table)}", NOW, 10)
        assert [row[3] for row in found] == [f"SEARCH {table} USING PRIMARY KEY (hour<?)"]
        parts = [0] * len(key.split(", "))
        found = await sqlite.list_rows(f"EXPLAIN QUERY PLAN {usage.delete(table)}", *parts)
        assert "hour=?" in found[0][3]
