"""A worker reads through the keeper, and permits nothing that the keeper knows better."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.auth.records import CachedRecords
from proxy.domain.errors import StoreUnavailable, Unreadable
from proxy.domain.gcra import Rate
from proxy.domain.model import AccountKind, Membership, Role, State
from proxy.domain.quota import Period, Quota
from proxy.domain.rate_grants import RateDemand
from proxy.domain.usage import HOUR, Series, Sums, UsageQuery
from proxy.store.protocols import QuotaDemand, SecretRef
from proxy.telemetry.usage import OpenUses
from proxy.workers import link as link_module
from proxy.workers.hub import Hub
from proxy.workers.remote_store import RemoteStore
from tests.harness import account, environment, new_key, until
from tests.proxy.workers.conftest import Machine


async def put(machine: Machine, *records: Any) -> None:
    """Change records as the admin server does."""
    async with machine.store.write() as change:
        for record in records:
            await change.put(record)


async def test_a_worker_reads_what_the_store_has(machine: Machine) -> None:
    """Each load gives the same through the keeper as from the store itself."""
    owner, place = account(1, AccountKind.USER), environment(2, "a")
    key = new_key(machine.store, 3, account_id=1).key
    await put(machine, owner, place, key, Membership(4, 1, 2, Role.MEMBER, 0))
    remote, store = RemoteStore(await machine.connect()), machine.store
    for method, argument in [
        ("load_key", key.access_key),
        ("load_key", "missing"),
        ("load_account", 1),
        ("load_account", 9),
        ("load_environment", 2),
        ("load_slug", "a"),
        ("load_slug", "b"),
        ("load_membership", (1, 2)),
        ("load_membership", (1, 9)),
    ]:
        assert await getattr(remote, method)(argument) == await getattr(store, method)(argument)
    assert await remote.load_settings() == await store.load_settings()
    assert await remote.unsealed_rounds() == await store.unsealed_rounds()


async def test_a_worker_knows_that_a_record_cannot_be_read(
    machine: Machine, tmp_path: Path
) -> None:
    """As the process with the store does: it ends what needs that record."""
    key = new_key(machine.store, 3, account_id=1).key
    await put(machine, account(1, AccountKind.USER), key)
    with closing(sqlite3.connect(tmp_path / "var/wardgate.db")) as database:
        database.execute("UPDATE keys SET limits = '[]'")
        database.commit()
    remote = RemoteStore(await machine.connect())
    with pytest.raises(Unreadable, match="limits should be an object"):
        await remote.load_key(key.access_key)


async def test_what_a_worker_counts_is_in_the_store(machine: Machine) -> None:
    """Uses and usage of a worker are recorded, and quotas are granted from the one store."""
    key = new_key(machine.store, 3, account_id=1).key
    await put(machine, account(1, AccountKind.USER), key)
    remote = RemoteStore(await machine.connect())
    uses = {SecretRef(3): OpenUses(5, 7, "192.0.2.1", 2, {"192.0.2.0/24"})}
    usage = {Series(HOUR, 3, 0, "/", "GET", 2): Sums(2, 10, 20, 0.5)}
    await remote.record_usage(uses, usage)
    stored = await machine.store.get_key(3)
    assert stored is not None
    assert (stored.last_used, stored.last_used_address, stored.use_count) == (7, "192.0.2.1", 2)
    rows = await machine.store.sum_usage(UsageQuery(0, 2 * HOUR))
    assert [row.requests for row in rows] == [2]
    quota = Quota(10, Period.DAY)
    granted = await remote.grant_quotas({"1c3": QuotaDemand(quota, 8)}, [], 0)
    assert (granted["1c3"].granted, granted["1c3"].left) == (8, 2)


async def test_a_change_is_announced_before_it_is_acknowledged(machine: Machine) -> None:
    """In the step of the commit, before anybody can be told of it, the worker's lease ends; it
    holds again once the change is applied."""
    key = new_key(machine.store, 3, account_id=1).key
    await put(machine, account(1, AccountKind.USER), key)
    link = await machine.connect()
    assert link.lease.holds()
    held: list[bool] = []
    machine.store.subscribe(lambda _changes: held.append(link.lease.holds()))
    await put(machine, replace(key, state=State.INACTIVE))
    assert held == [False]
    await until(link.lease.holds)
    (changes,) = machine.told[link]
    assert changes is not None
    assert changes.keys[0].state is State.INACTIVE
    assert changes.keys[0].secret_hash == key.secret_hash


async def test_records_follow_the_keeper(machine: Machine) -> None:
    """A worker's cache has a change as soon as its lease holds again, and waits for that."""
    key = new_key(machine.store, 3, account_id=1).key
    await put(machine, account(1, AccountKind.USER), key)
    link = await machine.connect()
    records = CachedRecords(RemoteStore(link))
    records.lease, link.listener = link.lease, records.apply
    await records.start()
    assert await records.keys.find(key.access_key) == key
    for number in range(20):
        changed = replace(key, name=f"name {number}")
        await put(machine, changed)
        await records.await_lease()
        assert records.keys.get(key.access_key) == changed


async def test_an_unknown_outcome_drops_everything(machine: Machine) -> None:
    """Where a commit's outcome is not known, the worker is told to forget what it knows."""
    link = await machine.connect()
    machine.hub.apply(None)
    assert not link.lease.holds()
    await until(link.lease.holds)
    assert machine.told[link] == [None]


async def test_without_the_keepers_lease_a_worker_permits_nothing(machine: Machine) -> None:
    """The moment that the keeper has written is the end for all workers."""
    link = await machine.connect()
    machine.state.fresh_until = 0.0
    assert not link.lease.holds()


async def test_a_worker_connects_to_the_next_keeper_and_reads_anew(machine: Machine) -> None:
    """Between two keepers it serves by what it knows, but not once the second one has begun, until
    it has dropped everything."""
    link = await machine.connect()
    machine.hub.close()
    await until(lambda: not link.is_connected)
    Hub(machine.store, machine.state, machine.path)
    assert link.lease.holds(), "one that does not listen yet could not tell it anything"
    await machine.restart_hub()
    assert not link.lease.holds()
    await until(link.lease.holds)
    assert machine.told[link] == [None]
    assert (await RemoteStore(link).load_settings())[0] == 0


async def test_a_call_waits_for_the_keeper(machine: Machine) -> None:
    """A load while the keeper is away is answered by the next one."""
    link = await machine.connect()
    machine.hub.close()
    await until(lambda: not link.is_connected)
    load = asyncio.create_task(RemoteStore(link).load_slug("a"))
    await asyncio.sleep(0.05)
    assert not load.done()
    await machine.restart_hub()
    assert await load == (0, None)


async def test_a_load_that_a_keeper_left_unanswered_is_answered_by_the_next(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost by asking twice. What changes something may have been done: it fails."""
    begun = asyncio.Queue[None]()

    async def hang(*_: Any) -> None:
        await begun.put(None)
        await asyncio.Event().wait()

    link = await machine.connect()
    remote = RemoteStore(link)
    with monkeypatch.context() as patch:
        patch.setattr(type(machine.store), "load_slug", hang)
        patch.setattr(type(machine.store), "record_usage", hang)
        load = asyncio.create_task(remote.load_slug("a"))
        recording = asyncio.create_task(remote.record_usage({}, {}))
        await begun.get()
        await begun.get()
    await machine.restart_hub()
    assert await load == (0, None)
    with pytest.raises(StoreUnavailable, match="has ended"):
        await recording


async def test_a_call_fails_where_no_keeper_comes(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is unavailable as a store is, after a while."""
    link = await machine.connect()
    machine.hub.close()
    await until(lambda: not link.is_connected)
    monkeypatch.setattr(link_module, "CONNECT", 0.05)
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        await RemoteStore(link).load_slug("a")


async def test_what_fails_in_the_store_fails_in_the_worker(machine: Machine) -> None:
    """The cause is told, and the worker goes on."""
    link = await machine.connect()
    await machine.store.close()
    with pytest.raises(StoreUnavailable):
        await RemoteStore(link).load_slug("a")
    assert link.is_connected


async def test_two_workers_are_told_the_same(machine: Machine) -> None:
    """Each gets every change, in their order."""
    links = [await machine.connect(slot) for slot in range(2)]
    for number in range(10):
        await put(machine, account(1, AccountKind.USER), environment(2, f"e{number}"))
    for link in links:
        await until(link.lease.holds)
        revisions = [changes.revision for changes in machine.told[link] if changes]
        assert revisions == list(range(1, 11))


async def test_reports_are_asked_of_all_workers(machine: Machine) -> None:
    """Of those that answer; the process id says whose each is."""
    link = await machine.connect()
    link.report = lambda: {"health": []}
    await until(lambda: machine.hub.workers)
    (report,) = (await machine.hub.reports()).values()
    assert report == {"health": []}


@pytest.mark.parametrize(
    "message",
    [
        ["hello"],
        ["hello", "0", 1],
        ["call", 1, "close", []],
        ["call", 1, "load_key", [1]],
        ["call", 1, "load_key", []],
        ["call", 1, "seal_key", []],
        ["call", 1, "__class__", []],
        ["call", 1, "record_usage", [[[["x"], {}]], []]],
        ["settled", 10**9],
        ["unknown"],
        [],
    ],
)
async def test_what_a_worker_should_not_send_changes_nothing(
    machine: Machine, message: list[Any]
) -> None:
    """It gets an error or is disconnected, and the keeper serves the others."""
    bad, good = await machine.connect(0), await machine.connect(1)
    bad.tell(*message)
    await asyncio.sleep(0.02)
    assert await RemoteStore(good).load_slug("a") == (0, None)
    assert await RemoteStore(bad).load_slug("a") == (0, None)  # connected again, where need be


async def test_workers_are_granted_rates_by_the_keeper(machine: Machine) -> None:
    """All of them together get no more than the rate gives, and know how many may share it."""
    workers = [RemoteStore(await machine.connect(slot)) for slot in range(2)]
    demand = {"1c1": RateDemand(Rate.parse("5/h", 5), 3)}
    answers = await asyncio.gather(*(each.grant_rates(demand) for each in workers * 2))
    assert sum(answer["1c1"].granted for answer in answers) == 5
    assert {answer["1c1"].sharing for answer in answers} == {2}
    assert await workers[0].grant_rates({}) == {}
