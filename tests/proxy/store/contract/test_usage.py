"""Usage: what is counted adds up, is told apart as asked for, and is deleted when it is old."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from proxy.domain.model import State
from proxy.domain.usage import DAY, HOUR, Dimension, Series, Sums, UsageQuery, UsageRow
from proxy.store.protocols import Store
from tests.harness import new_key

EIGHT = DAY + 8 * HOUR
NINE = DAY + 9 * HOUR
SERIES = Series(EIGHT, 1, 3, "/v1/{environment}/**", "GET", 2, "")


async def usage(store: Store, *by: str, **others: Any) -> list[UsageRow]:
    """The usage of the first hundred days."""
    query = UsageQuery(0, 100 * DAY, tuple(map(Dimension, by)))
    return await store.sum_usage(replace(query, **others))


async def requests(store: Store, *by: str, **others: Any) -> dict[Any, int]:
    """The number of requests by the value of a dimension, else by all values."""
    rows = await usage(store, *by, **others)
    return {row.values[0] if len(row.values) == 1 else row.values: row.requests for row in rows}


async def record(store: Store, *several: Series) -> None:
    """Record one request for each series."""
    for series in several:
        await store.record_usage({}, {series: Sums(1)})


async def test_what_is_counted_of_the_same_requests_adds_up(store: Store) -> None:
    """Within an hour, over many writes."""
    await store.record_usage({}, {SERIES: Sums(3, 30, 300, 0.5)})
    await store.record_usage({}, {SERIES: Sums(1, 1, 1, 0.25), SERIES._replace(hour=NINE): Sums(2)})
    for others in ({}, {"key": 1}, {"environment": 3}):
        assert await usage(store, "hour", **others) == [
            UsageRow((EIGHT,), 4, 0, 0, 31, 301, 0.75),
            UsageRow((NINE,), 2, 0, 0, 0, 0, 0.0),
        ]


async def test_usage_is_told_apart_by_each_dimension(store: Store) -> None:
    """The rows are sorted by the dimensions in the order in which they are asked for."""
    other = Series(NINE, 2, 4, "/**", "POST", 4, "read-only")
    await record(store, SERIES, other, other)
    expected: dict[str, tuple[Any, Any]] = {
        "hour": (EIGHT, NINE),
        "route": ("/v1/{environment}/**", "/**"),
        "method": ("GET", "POST"),
        "status": (2, 4),
        "reason": ("", "read-only"),
        "key": (1, 2),
        "environment": (3, 4),
    }
    for dimension, (first, second) in expected.items():
        assert await requests(store, dimension) == {first: 1, second: 2}
    assert await requests(store, "day") == {DAY: 3}
    every = ("hour", "key", "environment", "route", "method", "status", "reason")
    rows = await usage(store, *reversed(every))
    assert [row.values for row in rows] == [tuple(reversed(each)) for each in (SERIES, other)]


async def test_without_a_dimension_there_is_one_row(store: Store) -> None:
    """Also where nothing was counted."""
    assert await usage(store) == [UsageRow((), 0, 0, 0, 0, 0, 0.0)]
    assert await usage(store, "hour") == []
    await record(store, SERIES, SERIES._replace(key_id=0))
    assert await requests(store, key=1) == {(): 1}


async def test_refused_and_failed_requests_are_among_the_requests(store: Store) -> None:
    """The gateway refuses by a 4xx of its own, and a client that closes is not refused; a 5xx is a
    failure, whoever sent it."""
    counted = {
        (2, ""): 1,
        (2, "upstream-closed"): 2,
        (4, ""): 4,
        (4, "client-closed"): 8,
        (4, "read-only"): 16,
        (5, ""): 32,
        (5, "store"): 64,
    }
    for (status, reason), number in counted.items():
        series = SERIES._replace(status=status, reason=reason)
        await store.record_usage({}, {series: Sums(number)})
    assert await usage(store) == [UsageRow((), 127, 16, 96, 0, 0, 0.0)]


async def test_the_usage_of_an_account_is_that_of_its_keys(store: Store) -> None:
    """Also of removed ones. That of an environment is what was counted for it, by any key."""
    async with store.write() as change:
        for number, owner in (
            (1, {"account_id": 1}),
            (2, {"account_id": 2}),
            (3, {"environment_id": 3}),
            (4, {"account_id": 2, "state": State.REMOVED}),
        ):
            await change.put(new_key(store, number, **owner).key)
    await record(store, *(SERIES._replace(key_id=number) for number in range(6)))
    await record(store, SERIES._replace(key_id=2, environment_id=4))
    assert await requests(store, "key", account=2) == {2: 2, 4: 1}
    assert await requests(store, account=1) == {(): 1}
    assert await requests(store, account=3) == {(): 0}
    assert await requests(store, environment=3) == {(): 6}
    assert await requests(store, "key", environment=4) == {2: 1}
    assert await requests(store, "environment", key=2) == {3: 1, 4: 1}


async def test_whole_hours_count_from_the_start_on_and_before_the_end(store: Store) -> None:
    """An hour counts if it begins in that time."""
    await record(store, SERIES, SERIES._replace(hour=NINE))
    assert await requests(store, "hour", start=EIGHT, end=NINE) == {EIGHT: 1}
    assert await requests(store, "hour", start=EIGHT + 1, end=NINE + 1) == {NINE: 1}


async def test_no_more_rows_are_returned_than_asked_for(store: Store) -> None:
    """The first ones."""
    await record(store, *(SERIES._replace(hour=hour * HOUR) for hour in range(5)))
    assert [*await requests(store, "hour", most=2)] == [0, HOUR]


async def test_the_oldest_usage_is_deleted_in_batches(store: Store) -> None:
    """Before a time, and nothing of a change that is not committed."""
    for key in (1, 2):
        series = [SERIES._replace(key_id=key, hour=hour * HOUR) for hour in range(5)]
        await record(store, *series)
    try:
        async with store.write() as change:
            await change.prune_usage(100 * HOUR, 100)
            raise KeyError
    except KeyError:
        assert await requests(store) == {(): 10}
    deleted: list[int] = []
    while not deleted or deleted[-1]:
        async with store.write() as change:
            deleted.append(await change.prune_usage(3 * HOUR, 4))
    assert sum(deleted) == 9  # three hours: of each two keys, and their total
    assert max(deleted) <= 4
    for others in ({}, {"environment": 3}):
        assert await requests(store, "hour", **others) == {3 * HOUR: 2, 4 * HOUR: 2}
    assert await requests(store, "hour", key=1) == {3 * HOUR: 1, 4 * HOUR: 1}
