"""The audit log: a chain of entries, each as it was recorded."""

from __future__ import annotations

import asyncio

import pytest

from proxy.domain.audit import FIRST_HASH, Actor, Entry, chain
from proxy.domain.audit_chain import Head, verify
from proxy.store.protocols import Store
from proxy.store.query import Filter, Modifier, Query

ENTRIES = [
    Entry(number, Actor("1a1", "1c1", "::1", "r"), "key.create", f"1c{number}", None, {"n": "ä"})
    for number in range(3)
]


async def test_the_audit_log_is_a_chain(store: Store) -> None:
    """Each entry's hash covers its content and the hash before it, and begins again from none."""
    async with store.write() as change:
        for entry in ENTRIES[:2]:
            await change.record(entry)
    async with store.write() as change:
        await change.record(ENTRIES[2])
    audited = (await store.list_audit(Query("sequence"))).records
    assert [each.sequence for each in audited] == [1, 2, 3]
    previous = FIRST_HASH
    for each, entry in zip(audited, ENTRIES, strict=True):
        previous = chain(previous, each.sequence, entry)
        assert (each.entry, each.hash) == (entry, previous)


async def test_entries_that_are_recorded_together_are_one_chain(store: Store) -> None:
    """No two entries follow the same one."""

    async def record(entry: Entry) -> None:
        async with store.write() as change:
            await change.record(entry)

    await asyncio.gather(*map(record, ENTRIES))
    previous = FIRST_HASH
    for each in (await store.list_audit(Query("sequence"))).records:
        previous = chain(previous, each.sequence, each.entry)
        assert each.hash == previous


async def test_an_entry_is_found_by_its_number_and_listed_by_its_subject(store: Store) -> None:
    """A number without an entry finds nothing."""
    async with store.write() as change:
        for entry in ENTRIES:
            await change.record(entry)
    found = await store.find_audited(2)
    assert found
    assert found.entry == ENTRIES[1]
    assert await store.find_audited(4) is None
    of_one = Query("subject", filters=[Filter("subject", Modifier.EQ, "1c1")])
    assert (await store.list_audit(of_one)).records == [found]
    newest = await store.list_audit(Query("sequence", descending=True, limit=1))
    assert [each.sequence for each in newest.records] == [3]


@pytest.mark.parametrize("descending", [False, True])
async def test_entries_of_one_account_key_subject_or_time_are_found_without_reading_the_others(
    store: Store, monkeypatch: pytest.MonkeyPatch, descending: bool
) -> None:
    """However many others there are, in the order of their numbers or of time."""
    async with store.write() as change:
        for number in range(40):
            actor = Actor("1a7", "1c7", "::1", "r") if number == 20 else ENTRIES[0].actor
            await change.record(Entry(number, actor, "key.edit", f"1c{number}", None, None))
    monkeypatch.setattr("proxy.store.query.MAX_EXAMINED", 5)
    wanted: list[tuple[str, str, str | int]] = [
        ("sequence", "account", "1a7"),
        ("sequence", "key", "1c7"),
        ("sequence", "subject", "1c20"),
        ("time", "time", 20),
    ]
    for sort, column, value in wanted:
        query = Query(sort, descending, filters=[Filter(column, Modifier.EQ, value)])
        page = await store.list_audit(query)
        assert ([one.sequence for one in page.records], page.partial) == ([21], False)
    within = (Filter("time", Modifier.GTE, 18), Filter("time", Modifier.LT, 21))
    found = [19, 20, 21][:: -1 if descending else 1]
    first = await store.list_audit(Query("time", descending, 2, filters=within))
    assert [one.sequence for one in first.records] == found[:2]
    second = await store.list_audit(Query("time", descending, 2, first.next, within))
    assert [one.sequence for one in second.records] == found[2:]
    search = Filter("sequence", Modifier.SEARCH, "1A7")
    monkeypatch.undo()
    page = await store.list_audit(Query("sequence", descending, filters=[search]))
    assert [one.sequence for one in page.records] == [21]


async def test_old_entries_are_deleted_from_the_beginning_and_the_rest_verifies(
    store: Store,
) -> None:
    """Up to the first one that is not older, and no more at once than requested. The entry about it
    has the head of the last one."""
    async with store.write() as change:
        for time in (1, 2, 3, 9, 4):
            await change.record(Entry(time, Actor(), "key.create", f"1c{time}", None, None))
    before = (await store.list_audit(Query("sequence"))).records
    for most, deleted in ((2, 2), (2, 1), (2, 0)):
        async with store.write() as change:
            assert await change.prune_audit(9, most, 7) == deleted
    left = (await store.list_audit(Query("sequence"))).records
    assert [each.sequence for each in left] == [4, 5, 6, 7]
    assert left[:2] == before[3:]
    assert left[2].entry.action == "audit.prune"
    assert left[2].entry.after == {"deleted": 2, "head": f"2:{before[1].hash}"}
    result = verify(left, Head(3, before[2].hash))
    assert (result.problems, result.head_found) == ([], True)


async def test_an_audit_log_goes_on_where_all_of_it_was_deleted(store: Store) -> None:
    """Numbers are never given again, and nothing is deleted by a change that is not committed."""
    async with store.write() as change:
        for entry in ENTRIES:
            await change.record(entry)
    try:
        async with store.write() as change:
            assert await change.prune_audit(100, 10, 100) == 3
            raise KeyError
    except KeyError:
        assert len((await store.list_audit(Query("sequence"))).records) == 3
    async with store.write() as change:
        assert await change.prune_audit(100, 10, 100) == 3
    left = (await store.list_audit(Query("sequence"))).records
    assert [each.sequence for each in left] == [4]
    assert verify(left).problems == []
