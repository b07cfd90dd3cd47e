"""The records in memory: as they are now, whatever the store says late."""

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
    """Answers a load when it is told to, with what was true at a revision of the past."""

    def __init__(self) -> None:
        self.loads = 0
        self.answer: asyncio.Future[tuple[int, object]] = asyncio.get_running_loop().create_future()

    async def load(self, key: object) -> tuple[int, object]:
        """One load."""
        self.loads += 1
        return await asyncio.shield(self.answer)


async def test_a_record_is_loaded_once_and_then_known() -> None:
    """A miss says how to load; a hit asks nobody."""
    store = SlowStore()
    table: RecordCache[int, object] = RecordCache(store.load)
    with pytest.raises(NotLoaded) as missing:
        table.get(1)
    store.answer.set_result((1, ACTIVE))
    await missing.value.load()
    assert table.get(1) is ACTIVE
    assert store.loads == 1


async def test_what_is_absent_is_known_too() -> None:
    """Asking again for what is not there costs no load."""
    store = SlowStore()
    table: RecordCache[int, object] = RecordCache(store.load)
    store.answer.set_result((1, None))
    await table.load(1)
    assert table.get(1) is None
    table.apply(2, 1, ACTIVE)
    assert table.get(1) is ACTIVE


@pytest.mark.parametrize("change", [INACTIVE, None])
async def test_a_load_that_raced_with_a_change_loses(change: object) -> None:
    """The store read before the change, and answers after it."""
    store = SlowStore()
    table: RecordCache[int, object] = RecordCache(store.load)
    loading = asyncio.ensure_future(table.load(1))
    await asyncio.sleep(0)
    table.apply(2, 1, change)
    store.answer.set_result((1, ACTIVE))
    await loading
    assert table.get(1) is change


async def test_who_asks_just_as_a_dropped_load_ends_has_it_loaded_anew() -> None:
    """One caller comes at each turn of the event loop; none of them holds the loop up."""

    class Counted(RecordCache[int, object]):
        asked = 0

        def get(self, key: int) -> object | None:
            self.asked += 1
            assert self.asked < 10_000, "the event loop stands still"
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


async def test_a_load_that_saw_a_later_state_wins() -> None:
    """What the store read behind the change is newer than the change."""
    store = SlowStore()
    table: RecordCache[int, object] = RecordCache(store.load)
    loading = asyncio.ensure_future(table.load(1))
    await asyncio.sleep(0)
    table.apply(2, 1, ACTIVE)
    store.answer.set_result((3, INACTIVE))
    await loading
    assert table.get(1) is INACTIVE


async def test_a_load_in_flight_when_everything_was_dropped_tells_nothing() -> None:
    """A commit of unknown outcome: what was read around it is not believed."""
    store = SlowStore()
    table: RecordCache[int, object] = RecordCache(store.load)
    loading = asyncio.ensure_future(table.load(1))
    await asyncio.sleep(0)
    table.drop()
    store.answer.set_result((1, ACTIVE))
    await loading
    with pytest.raises(NotLoaded):
        table.get(1)


async def test_a_load_that_fails_leaves_nothing_behind() -> None:
    """The next one asks again."""
    store = SlowStore()
    table: RecordCache[int, object] = RecordCache(store.load)
    store.answer.set_exception(StoreUnavailable("away"))
    with pytest.raises(StoreUnavailable):
        await table.load(1)
    with pytest.raises(NotLoaded):
        table.get(1)


async def test_what_is_absent_never_pushes_out_what_is_there() -> None:
    """Asking for ten thousand things that do not exist costs none of those that do."""

    async def load(key: int) -> tuple[int, object]:
        return 1, ACTIVE if key == 0 else None

    table: RecordCache[int, object] = RecordCache(load)
    for key in range(MAX_ABSENT + 100):
        await table.load(key)
    assert table.get(0) is ACTIVE
    with pytest.raises(NotLoaded):
        table.get(1)
