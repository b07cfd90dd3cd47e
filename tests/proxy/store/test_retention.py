"""The audit log and the usage are kept for as many days as configured."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.domain.audit import Actor, Entry
from proxy.domain.audit_chain import verify
from proxy.domain.usage import HOUR, Dimension, Series, Sums, UsageQuery
from proxy.store.open import open_store
from proxy.store.protocols import Store
from proxy.store.query import Query
from proxy.store.retention import DAY, AuditRetention, UsageRetention

NOW = 1000 * DAY * 1000


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A store whose audit log has an entry for each of the days 1 to 1000."""
    tmp_path.chmod(0o700)
    opened = await open_store(f"sqlite:///{tmp_path}/wardgate.db", create=True)
    async with opened.write() as change:
        for day in range(1, 1001):
            time = day * DAY * 1000
            await change.record(Entry(time, Actor(), "key.create", f"1c{day}", None, None))
    yield opened
    await opened.close()


async def usage_of(store: Store) -> list[tuple[int, int]]:
    """The days that have usage, and how many requests."""
    query = UsageQuery(0, 10**6 * DAY * 1000, by=(Dimension.DAY,))
    rows = await store.sum_usage(query)
    assert rows == await store.sum_usage(replace(query, key=1))
    return [(int(row.values[0]) // (DAY * 1000), row.requests) for row in rows]


async def log_of(store: Store) -> list[int]:
    """The numbers of all entries, which must verify."""
    entries = (await store.list_audit(Query("sequence", limit=5000))).records
    assert verify(entries).problems == []
    return [each.sequence for each in entries]


async def test_what_is_older_is_deleted_in_batches(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with an entry; a second time there is nothing to do."""
    monkeypatch.setattr("proxy.store.retention.BATCH", 250)
    retention = AuditRetention(store, 400, lambda: NOW)
    assert await retention.prune() == 599
    assert await log_of(store) == list(range(600, 1004))
    assert await retention.prune() == 0
    assert await log_of(store) == list(range(600, 1004))


async def test_usage_that_is_older_is_deleted_in_batches(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of each hour which begins so many days ago or earlier."""
    monkeypatch.setattr("proxy.store.retention.BATCH", 7)
    for day in range(900, 911):
        counted = {
            Series(day * DAY * 1000 + hour * HOUR, 1, 3, "/**", "GET", 2): Sums(1)
            for hour in (0, 12)
        }
        await store.record_usage({}, counted)
    retention = UsageRetention(store, 93, lambda: NOW + 13 * HOUR)
    assert await retention.prune() == 2 * 2 * 8  # of each hour the key's, and the total
    assert await usage_of(store) == [(908, 2), (909, 2), (910, 2)]
    assert await retention.prune() == 0


async def test_it_goes_on_each_day_and_where_the_store_could_not_be_written(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says why entries are kept that are too old."""
    monkeypatch.setattr("proxy.store.retention.INTERVAL", 0.01)
    now = NOW
    sqlite: Any = store
    await sqlite._writer.db.execute("PRAGMA query_only = ON")
    running = asyncio.create_task(AuditRetention(store, 400, lambda: now).run())
    async with asyncio.timeout(60):
        refused = "keeps entries that are too old: the store cannot be written"
        while refused not in caplog.text:  # noqa: ASYNC110  (there is no event)
            await asyncio.sleep(0.01)
        await sqlite._writer.db.execute("PRAGMA query_only = OFF")
        for expected in (600, 601):
            while (await log_of(store))[0] != expected:  # noqa: ASYNC110  (there is no event)
                await asyncio.sleep(0.01)
            now += DAY * 1000
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
