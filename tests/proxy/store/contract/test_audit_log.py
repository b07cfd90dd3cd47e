"""The audit log: a chain of entries, each as it was recorded."""

from __future__ import annotations

import asyncio

from proxy.domain.audit import FIRST_HASH, Actor, Entry, chain
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
