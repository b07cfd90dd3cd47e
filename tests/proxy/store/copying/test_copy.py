"""A copy has all that the store has, whichever kind both are, and takes its place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from proxy.domain.audit_chain import verify
from proxy.domain.errors import WardgateError
from proxy.domain.events import Event, EventType
from proxy.store.copying.copy import reopen
from proxy.store.open import open_store, store_status
from proxy.store.protocols import StoreError
from proxy.store.query import Query
from tests.proxy.store.copying.conftest import WAYS, copied, place, rows_of

Filled = Callable[[str], Any]
NewUrl = Callable[[str], str]


@pytest.fixture(params=WAYS, ids="-".join)
def way(request: pytest.FixtureRequest) -> tuple[str, str]:
    """From which kind to which."""
    found: tuple[str, str] = request.param
    return found


async def test_a_copy_has_every_row_of_every_table(
    way: tuple[str, str], filled: Filled, new_url: NewUrl
) -> None:
    """There and back again too."""
    source, target, back = await filled(way[0]), new_url(way[1]), new_url(way[0])
    before = await asyncio.to_thread(rows_of, source)
    assert [name for name, rows in before.items() if not rows] == []
    done = await asyncio.to_thread(copied, source, target)
    assert await asyncio.to_thread(rows_of, target) == before
    assert (done.rows, done.keys, done.tables) == (sum(map(len, before.values())), 4, len(before))
    await asyncio.to_thread(copied, target, back)
    assert await asyncio.to_thread(rows_of, back) == before


async def test_a_copy_is_a_store_of_its_own_that_goes_on_from_the_old_one(
    way: tuple[str, str], filled: Filled, new_url: NewUrl
) -> None:
    """Secrets are sealed with the same key. Ids that were given are not given again. The audit log
    says where the store is from, and is one chain."""
    source, target = await filled(way[0]), new_url(way[1])
    old = await store_status(source)
    before = await open_store(source)
    await before.close()
    await asyncio.to_thread(copied, source, target)
    new = await store_status(target)
    assert (new.revision, new.schema, new.moved_to) == (old.revision + 1, old.schema, None)
    assert new.store_id not in {old.store_id, None, ""}
    store = await open_store(target)
    try:
        assert store.seal_key == before.seal_key
        async with store.write() as change:
            assert await change.next_id("account") == 2
            latest = (await store.list_deliveries(Query(limit=1000))).records[-1].id
            made = await change.announce(Event(EventType.TEST, 5, {}), "hook")
            assert made[0].id > latest
        log = (await store.list_audit(Query("sequence", limit=1000))).records
        assert verify(log).problems == []
        entry = log[-1].entry
        assert (entry.action, entry.time, entry.subject) == ("store.copy", 77, "store")
        assert entry.after == {"from": str(place(source)), "store": old.store_id}
    finally:
        await store.close()


async def test_a_store_that_has_moved_is_not_used_until_that_is_taken_back(
    way: tuple[str, str], filled: Filled, new_url: NewUrl
) -> None:
    """Its audit log says then that it was taken back."""
    source, target = await filled(way[0]), new_url(way[1])
    await asyncio.to_thread(copied, source, target)
    moved = f"has moved to {place(target)}; `wardgate store reopen` takes that back"
    for attempt in (open_store(source), open_store(source, create=True)):
        with pytest.raises(StoreError) as refused:
            await attempt
        assert moved in str(refused.value)
    with pytest.raises(StoreError) as refused:
        await asyncio.to_thread(copied, source, new_url(way[1]))
    assert moved in str(refused.value)
    assert await asyncio.to_thread(reopen, place(source), 88) == str(place(target))
    store = await open_store(source)
    log = (await store.list_audit(Query("sequence", limit=1000))).records
    await store.close()
    assert verify(log).problems == []
    assert (log[-1].entry.action, log[-1].entry.time) == ("store.reopen", 88)
    with pytest.raises(StoreError, match="has not moved"):
        await asyncio.to_thread(reopen, place(source), 99)


async def test_a_copy_that_is_a_backup_is_made_of_a_store_in_use(
    way: tuple[str, str], filled: Filled, new_url: NewUrl
) -> None:
    """It has no sessions, so that none begins again that is ended; and the store stays as it is."""
    source, target = await filled(way[0]), new_url(way[1])
    store = await open_store(source)
    try:
        await asyncio.to_thread(copied, source, target, keep=True)
        assert await asyncio.to_thread(rows_of, target) == {
            **(await asyncio.to_thread(rows_of, source)),
            "sessions": [],
        }
        assert (await store_status(source)).moved_to is None
        async with store.write() as change:
            await change.put_setting("still", "written")
    finally:
        await store.close()


async def test_a_trial_changes_nothing(
    way: tuple[str, str], filled: Filled, new_url: NewUrl
) -> None:
    """It says how much would be copied, and refuses what would be refused."""
    source, target = await filled(way[0]), new_url(way[1])
    done = await asyncio.to_thread(copied, source, target, dry_run=True)
    assert done.keys == 4
    assert done.as_text(dry_run=True, keep=False).endswith("would be copied")
    with pytest.raises(StoreError, match="there is no store"):
        await store_status(target)
    assert (await store_status(source)).moved_to is None
    with pytest.raises(StoreError, match="is the same store"):
        await asyncio.to_thread(copied, source, source, dry_run=True)


async def test_what_was_copied_without_the_old_store_being_told_is_finished(
    way: tuple[str, str], filled: Filled, new_url: NewUrl
) -> None:
    """That is what a crash between the two leaves."""
    source, target = await filled(way[0]), new_url(way[1])
    await asyncio.to_thread(copied, source, target)
    await asyncio.to_thread(forget, source)
    done = await asyncio.to_thread(copied, source, target)
    assert done.finished
    assert (await store_status(source)).moved_to == str(place(target))
    with pytest.raises(WardgateError, match="has moved to"):
        await open_store(source)


def forget(url: str) -> None:
    """Have a store not know that it has moved."""
    with place(url).source(moving=True, dry_run=False, moved=True) as database:
        database.fetch("UPDATE meta SET moved_to = NULL")
