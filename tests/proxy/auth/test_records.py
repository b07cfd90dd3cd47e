"""The cached records: always the current ones, even if the store answers late."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from proxy.auth.records import MAX_ABSENT, NotLoaded, RecordCache
from proxy.domain.model import AccountKind, State, StoreUnavailable
from tests.harness import account

ACTIVE = account(1, AccountKind.USER)
INACTIVE = replace(ACTIVE, state=State.INACTIVE)


class SlowStore:
    """A store that answers a load when the test says so, with the state of an earlier revision."""

    def __init__(self) -> None:
        self.loads = 0
        self.answer: asyncio.Future[tuple[int, object]] = asyncio.get_running_loop().create_future()

    async def load(self, key: object) -> tuple[int, object]:
        """One load."""
        self.loads += 1
        return await asyncio.shield(self.answer)


async def test_a_record_is_loaded_once_and_then_cached() -> None:
    """A miss says how to load the record; a hit does not use the store."""
    store = SlowStore()
    table: RecordCache[int, object] = RecordCache(store.load)
    with pytest.raises(NotLoaded) as missing:
        table.get(1)
    store.answer.set_result((1, ACTIVE))
    await missing.value.load()
    assert table.get(1) is ACTIVE
    assert store.loads == 1


async def test_the_absence_of_a_record_is_cached_too() -> None:
    """A second look-up of an absent record needs no load."""
    store = SlowStore()
    table: RecordCache[int, object] = RecordCache(store.load)
    store.answer.set_result((1, None))
    await table.load(1)
    assert table.get(1) is None
    table.apply(2, 1, ACTIVE)
    assert table.get(1) is ACTIVE


@pytest.mark.parametrize("change", [INACTIVE, None])
async def test_a_load_that_raced_with_a_change_loses(change: object) -> None:
    """The store has read before the change and answers after it."""
    store = SlowStore()
    table: RecordCache[int, object] = RecordCache(store.load)
    loading = asyncio.ensure_future(table.load(1))
    await asyncio.sleep(0)
    table.apply(2, 1, change)
    store.answer.set_result((1, ACTIVE))
    await loading
    assert table.get(1) is change


async def test_a_caller_at_the_end_of_a_dropped_load_has_the_record_loaded_again() -> None:
    """One caller comes at each turn of the event loop; none of them blocks the event loop."""

    class Counted(RecordCache[int, object]):
        lookups = 0

        def get(self, key: int) -> object | None:
            self.lookups += 1
            assert self.lookups < 10_000, "the event loop stands still"
            return super().get(key)

    store = SlowStore()
    table = Counted(store.load)
    callers = [asyncio.ensure_future(table.find(1))]
    await asyncio.sleep(0)
    table.drop()
    store.answer.set_result((1, ACTIVE))
    while not callers[0].done():
        callers.append(asyncio.ensure_future(table.find(1)))
        await asyncio.sleep(0)
    assert set(await asyncio.gather(*callers)) == {ACTIVE}
    assert store.loads == 2


async def test_a_load_of_a_later_revision_wins() -> None:
    """The store has read after the change."""
    store = SlowStore()
    table: RecordCache[int, object] = RecordCache(store.load)
    loading = asyncio.ensure_future(table.load(1))
    await asyncio.sleep(0)
    table.apply(2, 1, ACTIVE)
    store.answer.set_result((3, INACTIVE))
    await loading
    assert table.get(1) is INACTIVE


async def test_the_result_of_a_load_during_a_drop_is_discarded() -> None:
    """After a commit of unknown outcome, results from before it are not trusted."""
    store = SlowStore()
    table: RecordCache[int, object] = RecordCache(store.load)
    loading = asyncio.ensure_future(table.load(1))
    await asyncio.sleep(0)
    table.drop()
    store.answer.set_result((1, ACTIVE))
    await loading
    with pytest.raises(NotLoaded):
        table.get(1)


async def test_a_failed_load_caches_nothing() -> None:
    """The next look-up loads again."""
    store = SlowStore()
    table: RecordCache[int, object] = RecordCache(store.load)
    store.answer.set_exception(StoreUnavailable("away"))
    with pytest.raises(StoreUnavailable):
        await table.load(1)
    with pytest.raises(NotLoaded):
        table.get(1)


async def test_absent_names_never_push_out_records() -> None:
    """Absent names have a table of their own, which is bounded."""

    async def load(key: int) -> tuple[int, object]:
        return 1, ACTIVE if key == 0 else None

    table: RecordCache[int, object] = RecordCache(load)
    for key in range(MAX_ABSENT + 100):
        await table.load(key)
    assert table.get(0) is ACTIVE
    with pytest.raises(NotLoaded):
        table.get(1)
