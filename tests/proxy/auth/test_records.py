"""The cached records: always the current ones, even if the store answers late."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from proxy.auth.records import COUNTED_FOR, MAX_ABSENT, CachedRecords, NotLoaded, RecordCache
from proxy.domain.errors import StoreUnavailable
from proxy.domain.model import Account, AccountKind, Membership, Role, State
from proxy.domain.needs import KNOWN
from proxy.store.protocols import Changes
from tests.harness import account
from tests.patience import PATIENCE

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


async def test_what_was_changed_before_a_drop_does_not_count_after_it() -> None:
    """It may be of a history that the store does not have any more, with the same numbers."""
    other, store = SlowStore(), SlowStore()
    stores = {1: store, 2: other}
    table: RecordCache[int, object] = RecordCache(lambda key: stores[key].load(key))
    goes_on = asyncio.ensure_future(table.load(2))
    await asyncio.sleep(0)
    table.apply(105, 1, ACTIVE)
    table.drop()
    store.answer.set_result((100, INACTIVE))
    await table.load(1)
    assert table.get(1) is INACTIVE
    other.answer.set_result((100, None))
    await goes_on


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


@pytest.mark.parametrize("how", ["loaded", "applied"])
async def test_a_record_that_needs_a_later_version_permits_nothing(how: str) -> None:
    """It is inactive here, and a membership is none; what this version knows is as it is."""
    later, known = (account(number, AccountKind.USER) for number in (1, 2))
    later, known = replace(later, needs=KNOWN + 1), replace(known, needs=KNOWN)
    member = Membership(1, 2, 3, Role.OWNER, 0, needs=KNOWN + 1)

    records: dict[int, Account | Membership] = {1: later, 2: known, 3: member}

    async def load(key: int) -> tuple[int, Account | Membership | None]:
        return 1, records[key]

    table = RecordCache(load)
    for key in (1, 2, 3):
        await table.load(key)
        if how == "applied":
            table.apply(2, key, (await load(key))[1])
    assert table.get(1) == replace(later, state=State.INACTIVE)
    assert table.get(2) == known
    assert table.get(3) is None


class Reloaded:
    """A store that answers a reload late, with what was true when it was asked."""

    def __init__(self) -> None:
        self.access_control, self.rounds = "off", 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def load_settings(self) -> tuple[int, dict[str, str]]:
        """The settings at the time of the call."""
        settings = {"access_control": self.access_control}
        await self.go_on.wait()
        return 1, settings

    async def unsealed_rounds(self) -> int:
        """The cost at the time of the call."""
        rounds = self.rounds
        await self.go_on.wait()
        return rounds

    async def load_key(self, _access_key: str) -> tuple[int, None]:
        """Nothing is stored."""
        return 1, None

    load_account = load_environment = load_slug = load_membership = load_key


async def test_a_change_during_a_reload_of_the_settings_wins() -> None:
    """Access control that an admin turned on is not turned off by what was read before."""
    store = Reloaded()
    records = CachedRecords(store)  # type: ignore[arg-type]  # as much of a store as it reads
    await records.start()
    assert not records.access_control
    store.go_on.clear()
    records.apply(None)
    await asyncio.sleep(0)
    store.access_control, store.rounds = "on", 10
    records.apply(Changes(revision=2, settings={"access_control": "on"}))
    store.go_on.set()
    async with asyncio.timeout(PATIENCE):
        while not records.ready:  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0)
    assert records.access_control
    assert records.unsealed_rounds == 10


async def test_the_cost_of_guesses_is_read_again_after_a_change_and_once_a_minute() -> None:
    """A key may expire, and a rotation may end, without a change. A change while it is read has the
    last word."""
    store = Reloaded()
    store.rounds = 10
    records = CachedRecords(store)  # type: ignore[arg-type]  # as much of a store as it reads
    assert await records.count_unsealed(0) == 10
    store.rounds = 0
    assert await records.count_unsealed(COUNTED_FOR - 1) == 10
    assert await records.count_unsealed(COUNTED_FOR) == 0
    store.rounds = 12
    records.apply(Changes(revision=2))
    store.go_on.clear()
    counting = asyncio.ensure_future(records.count_unsealed(COUNTED_FOR))
    await asyncio.sleep(0)
    store.rounds = 0
    records.apply(Changes(revision=3))
    store.go_on.set()
    assert await counting == 0
