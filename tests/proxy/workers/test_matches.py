"""bcrypt runs once for all workers, and nobody waits for a worker that has ended."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from proxy.auth.authenticator import Authenticator
from proxy.auth.credentials import parse
from proxy.auth.records import CachedRecords
from proxy.domain.clock import now_ms
from proxy.domain.model import AccountKind, Deny, Principal
from proxy.workers import matches as matches_module
from proxy.workers.matches import Matches
from proxy.workers.remote_store import RemoteStore
from proxy.workers.sharing import WorkerSharing
from tests.harness import Pair, account, new_key, until
from tests.proxy.workers.conftest import Machine


class Told(list[tuple[str, int, str]]):
    """What was told to all workers."""

    def tell(self, digest: str, key_id: int, stored: str) -> None:
        """Keep it."""
        self.append((digest, key_id, stored))


async def test_the_first_who_asks_verifies_and_the_others_wait() -> None:
    """The second worker gets what the first has found, and so does all that asks later."""
    told = Told()
    matches = Matches(told.tell)
    assert await matches.claim("d", "first") is None
    waiting = asyncio.create_task(matches.claim("d", "second"))
    await asyncio.sleep(0)
    assert not waiting.done()
    matches.matched("d", 3, "hash")
    assert await waiting == (3, "hash")
    assert await matches.claim("d", "third") == (3, "hash")
    assert told == [("d", 3, "hash")]


@pytest.mark.parametrize("ends", ["unmatched", "left"])
async def test_who_waits_verifies_where_the_first_finds_nothing(ends: str) -> None:
    """Whether the first has found no match, or was killed."""
    matches = Matches(Told().tell)
    first = object()
    assert await matches.claim("d", first) is None
    waiting = asyncio.create_task(matches.claim("d", "second"))
    await asyncio.sleep(0)
    if ends == "left":
        matches.left(first)
    else:
        matches.unmatched("d", "somebody else")
        await asyncio.sleep(0)
        assert not waiting.done()
        matches.unmatched("d", first)
    assert await waiting is None


async def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that hangs holds up the others for a while only."""
    monkeypatch.setattr(matches_module, "PATIENCE", 0.01)
    matches = Matches(Told().tell)
    assert await matches.claim("d", "hangs") is None
    assert await matches.claim("d", "other") is None


async def test_the_oldest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """There are no more than so many."""
    monkeypatch.setattr(matches_module, "MOST", 2)
    matches = Matches(Told().tell)
    for digest in ("a", "b", "c"):
        matches.matched(digest, 1, "hash")
    assert await matches.claim("a", "w") is None
    assert await matches.claim("c", "w") == (1, "hash")


async def authenticator_of(machine: Machine, slot: int) -> Authenticator:
    """That of one more worker."""
    link = await machine.connect(slot)
    records = CachedRecords(RemoteStore(link))
    link.listener = records.apply
    await records.start()
    sharing = WorkerSharing(link, machine.state, b"a secret of the master's")
    made = Authenticator(records, link.seal_key, now_ms, sharing)
    link.matched = made.learn
    machine.stack.callback(made.close)
    return made


async def ask(authenticator: Authenticator, pair: Pair) -> Principal | Deny:
    """Authenticate a pair."""
    given = parse([pair.basic.removeprefix(b"Authorization: ").strip()])
    assert not isinstance(given, Deny)
    return await authenticator.authenticate(given, "192.0.2.1")


async def with_key(machine: Machine) -> Pair:
    """A key in the store."""
    pair = new_key(machine.store, 3, account_id=1)
    async with machine.store.write() as change:
        await change.put(account(1, AccountKind.USER))
        await change.put(pair.key)
    return pair


async def test_what_one_worker_has_verified_no_other_verifies(machine: Machine) -> None:
    """However they ask: at the same time, or later."""
    pair = await with_key(machine)
    workers = [await authenticator_of(machine, slot) for slot in range(3)]
    found = await asyncio.gather(*(ask(each, pair) for each in workers))
    assert all(isinstance(each, Principal) for each in found)
    assert sum(each.sealed.durations.count for each in workers) == 1
    late = await authenticator_of(machine, 0)
    assert isinstance(await ask(late, pair), Principal)
    assert late.sealed.durations.count == 0


async def test_a_match_is_told_to_workers_that_did_not_ask(machine: Machine) -> None:
    """They find it in memory."""
    pair = await with_key(machine)
    one, other = [await authenticator_of(machine, slot) for slot in range(2)]
    await ask(one, pair)
    await until(lambda: other.sizes["verified"] == 1)


async def test_without_the_keeper_each_worker_verifies_for_itself(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key whose record is in memory works while the keeper is away."""
    pair = await with_key(machine)
    worker = await authenticator_of(machine, 0)
    await worker._records.keys.find(pair.key.access_key)
    await worker._records.accounts.find(1)
    monkeypatch.setattr("proxy.workers.link.CONNECT", 0.05)
    machine.hub.close()
    assert isinstance(await ask(worker, pair), Principal)


async def test_wrong_guesses_count_for_all_workers(machine: Machine) -> None:
    """A source that has spent its budget at one worker has none at another."""
    await with_key(machine)
    one, other = [await authenticator_of(machine, slot) for slot in range(2)]
    guess = replace(new_key(machine.store, 9, account_id=1), secret="wrong")
    reasons = []
    for number in range(30):
        found = await ask((one, other)[number % 2], guess)
        assert isinstance(found, Deny)
        reasons.append(found.reason.code)
    assert reasons[:20] == ["forged"] * 20
    assert reasons[-1] == "too-many-failures"
