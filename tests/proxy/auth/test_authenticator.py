"""Authentication: what it decides, what it costs, and what is remembered of it."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

import proxy.auth.verifier as module
from proxy.auth import password_hash
from proxy.auth.credentials import Credentials, parse
from proxy.auth.ratelimit import GuessLimiter
from proxy.domain import secret
from proxy.domain.errors import Busy
from proxy.domain.model import Deny, Principal, Reason, State
from tests.harness import Pair, World, running_world, status
from tests.patience import PATIENCE


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A gateway of its own for each test: what it remembers is what is tested, and not how long
    refusals are held back, which on a machine that is busy may be long."""
    monkeypatch.setattr("proxy.auth.floor._MARGIN", 0.0)
    async with running_world(tmp_path) as here:
        yield here


def present(access_key: str, value: str) -> Credentials | Deny:
    """Credentials, parsed as a client sends them."""
    pair = base64.b64encode(f"{access_key}:{value}".encode())
    return parse([b" Basic " + pair])


class Counted:
    """Counts the bcrypts and the key look-ups in the store."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bcrypts = self.loads = 0
        load = world.node.records.keys._load

        def verify(value: bytes, stored: bytes) -> bool:
            self.bcrypts += 1
            return password_hash.verify(value, stored)

        async def counted(access_key: str) -> object:
            self.loads += 1
            return await load(access_key)

        monkeypatch.setattr(module, "verify", verify)
        monkeypatch.setattr(world.node.records.keys, "_load", counted)


async def check(
    world: World, access_key: str, value: str, address: str = "192.0.2.1"
) -> Principal | Deny:
    """The result of the authenticator."""
    credentials = present(access_key, value)
    if isinstance(credentials, Deny):
        return credentials
    return await world.node.authenticator.authenticate(credentials, address)


async def test_a_secret_is_verified_once_and_then_recalled(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred uses, at once and one by one, cost one bcrypt."""
    counted, pair = Counted(world, monkeypatch), world.key_a
    uses = [check(world, pair.key.access_key, pair.secret) for _ in range(50)]
    found = await asyncio.gather(*uses)
    for _ in range(50):
        found.append(await check(world, pair.key.access_key, pair.secret))
    assert all(isinstance(one, Principal) and one.key == pair.key for one in found)
    assert counted.bcrypts == 1


@pytest.mark.parametrize("sealed", [True, False], ids=["sealed", "unsealed"])
async def test_a_request_at_the_moment_a_verification_ends_is_answered(
    world: World, sealed: bool
) -> None:
    """One caller comes at each turn of the event loop, so one of them in the turn between the
    end of bcrypt and the result. None of them tries again and again without yielding to the
    event loop."""
    authenticator, pair = world.node.authenticator, world.key_a
    if not sealed:
        pair = await unsealed(world)
    recall, recalled = authenticator.recall, 0

    def counted(credentials: Credentials, address: str) -> Principal | Deny | None:
        nonlocal recalled
        recalled += 1
        assert recalled < 100_000, "the event loop stands still"
        return recall(credentials, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(authenticator, "recall", counted)
        calls = [asyncio.ensure_future(check(world, pair.key.access_key, pair.secret))]
        while not calls[0].done():
            if len(calls) < 10_000:
                calls.append(asyncio.ensure_future(check(world, pair.key.access_key, pair.secret)))
            await asyncio.sleep(0)
        found = await asyncio.gather(*calls)
    assert all(isinstance(one, Principal) and one.key == pair.key for one in found)


async def test_a_forged_secret_reaches_neither_store_nor_bcrypt(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While all keys are sealed, its seal is enough to refuse it, whether the access key exists or
    not."""
    counted = Counted(world, monkeypatch)
    for access_key in (world.key_a.key.access_key, "0" * 20):
        for value in ("wgs_" + "1" * 40, "password", "x" * 100, world.key_b.secret):
            assert await check(world, access_key, value) == Deny(Reason.FORGED)
    assert (counted.bcrypts, counted.loads) == (0, 0)


async def test_a_forged_secret_is_refused_before_anything_is_looked_up_by_its_pair(
    world: World,
) -> None:
    """No digest of the pair is made, unless a key without a seal is stored."""
    access_key, recall = world.key_a.key.access_key, world.node.authenticator.recall
    for stored, needed in ((False, False), (True, True)):
        if stored:
            await unsealed(world)
        given = present(access_key, "wgs_" + "1" * 40)
        assert isinstance(given, Credentials)
        recall(given, "192.0.2.1")
        assert (given.digest is not None) == needed


async def unsealed(world: World, number: int = 50) -> Pair:
    """An imported key, whose secret has no seal."""
    key = replace(
        world.key_a.key,
        id=number,
        access_key=f"elsewhere{number}",
        secret_hash=password_hash.hash_secret(b"a password from before", 4),
        sealed=False,
    )
    await world.put(key)
    return Pair(key, "a password from before")


async def test_an_imported_credential_works_and_all_guesses_cost_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one imported key stored, each guess costs one bcrypt, whether its key exists or not."""
    pair = await unsealed(world)
    world.inside.drop_floor(4)
    counted = Counted(world, monkeypatch)
    assert isinstance(await check(world, pair.key.access_key, pair.secret), Principal)
    for access_key in (pair.key.access_key, "nobody", world.key_a.key.access_key):
        before = counted.bcrypts
        assert isinstance(await check(world, access_key, "guess"), Deny)
        assert counted.bcrypts == before + 1


async def test_who_presents_the_right_secret_of_an_expired_imported_key_does_not_guess(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was verified before, and was that of the last imported key: the refusal says what it is,
    however often, and needs no bcrypt."""
    pair, now = await unsealed(world), world.node.authenticator.clock()
    access_key = pair.key.access_key
    assert isinstance(await check(world, access_key, pair.secret), Principal)
    await world.put(replace(pair.key, expires=now - 1))
    await check(world, "nobody", "guess")  # has the store asked, which has no such key any more
    assert world.node.records.unsealed_rounds == 0
    counted = Counted(world, monkeypatch)
    for _ in range(100):
        denied = await check(world, access_key, pair.secret)
        assert isinstance(denied, Deny)
        assert denied.reason is Reason.KEY_EXPIRED
    assert counted.bcrypts == 0


async def test_guesses_cost_one_hmac_again_when_the_last_imported_key_is_gone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be removed, or its secret replaced or ended by the clock; and with one that is left,
    guesses cost its bcrypt and no dearer one."""
    now = world.node.authenticator.clock()
    dear = replace((await unsealed(world)).key, secret_hash=b"$2b$05$" + b"." * 53)
    await world.put(dear)
    cheap = (await unsealed(world, 51)).key
    counted, tried = Counted(world, monkeypatch), list[bytes]()

    def verify(_value: bytes, stored: bytes) -> bool:
        tried.append(stored)
        return False

    monkeypatch.setattr(module, "verify", verify)
    await check(world, "nobody", "guess")
    assert tried[-1] == module.dummy(5)
    await world.put(replace(dear, state=State.REMOVED))
    await check(world, "nobody", "guess")
    assert tried[-1] == module.dummy(4)
    sealed = replace(cheap, sealed=True)
    gone = {
        "removed": replace(cheap, state=State.REMOVED),
        "rotated": sealed,
        "rotated, and the overlap is over": replace(
            sealed, previous_hash=cheap.secret_hash, previous_sealed=False, previous_until=now - 1
        ),
        "expired": replace(cheap, expires=now - 1),
    }
    for how, key in gone.items():
        await world.put(cheap)
        assert await check(world, "nobody", "guess") == Deny(Reason.UNKNOWN_KEY), how
        await world.put(key)
        world.inside.forget_guesses()
        await check(world, "nobody", "guess")  # learns it from the store, and is not hashed
        counted.loads, bcrypts = 0, len(tried)
        for access_key in ("nobody", cheap.access_key):
            assert await check(world, access_key, "guess") == Deny(Reason.FORGED), how
        assert (counted.loads, len(tried)) == (0, bcrypts), how
    await world.put(cheap)
    assert await check(world, "nobody", "guess") == Deny(Reason.UNKNOWN_KEY)


async def test_an_unsealed_secret_never_matches_a_sealed_key(world: World) -> None:
    """It does not even if it is the secret of the stored hash."""
    await unsealed(world)
    sealed = replace(world.key_a.key, secret_hash=password_hash.hash_secret(b"guessable", 4))
    await world.put(sealed)
    assert await check(world, sealed.access_key, "guessable") == Deny(Reason.UNKNOWN_KEY)


async def test_a_replaced_secret_is_refused_although_it_was_verified_before(world: World) -> None:
    """The cache of verified credentials names the hash that was matched."""
    pair = world.key_a
    assert isinstance(await check(world, pair.key.access_key, pair.secret), Principal)
    other = secret.generate(pair.key.access_key, world.store.seal_key)
    await world.put(replace(pair.key, secret_hash=password_hash.hash_secret(other.encode(), 4)))
    assert await check(world, pair.key.access_key, pair.secret) == Deny(Reason.WRONG_SECRET)
    assert isinstance(await check(world, pair.key.access_key, other), Principal)


async def test_a_key_that_changes_during_its_verification_is_decided_by_the_new_record(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record at the end of the verification counts, not the one at its beginning."""
    begun, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def verify(value: bytes, stored: bytes) -> bool:
        loop.call_soon_threadsafe(begun.set)
        return go_on.wait(PATIENCE) and password_hash.verify(value, stored)

    monkeypatch.setattr(module, "verify", verify)
    pair = world.key_a
    checking = asyncio.ensure_future(check(world, pair.key.access_key, pair.secret))
    await begun.wait()
    await world.put(replace(pair.key, state=State.INACTIVE))
    go_on.set()
    assert await checking == Deny(Reason.KEY_INACTIVE)


async def test_a_guess_beyond_the_queue_is_a_503(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue is bounded; verified credentials do not need it."""
    await unsealed(world)
    pair = world.key_a
    assert status(await world.send(world.request())) == 200
    monkeypatch.setattr(world.node.authenticator.unsealed, "_most", 0)
    with pytest.raises(Busy):
        await check(world, "elsewhere50", "guess")
    guess = base64.b64encode(b"elsewhere50:guess")
    raw = b"GET /v1/projects/a/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
    answer = await world.send(raw + b"Authorization: Basic " + guess + b"\r\n\r\n")
    assert status(answer) == 503
    assert b"\r\nRetry-After: 1\r\n" in answer
    assert isinstance(await check(world, pair.key.access_key, pair.secret), Principal)


async def test_a_source_that_guesses_often_waits_and_no_other_source_does(world: World) -> None:
    """The source gets 429, whether it guesses at existing keys or not. A sealed secret never gets
    429, and the owner of a key that was guessed at is served from another address."""
    pair = await unsealed(world)
    world.node.authenticator._guesses = GuessLimiter(lambda: 0.0)  # nothing is forgiven with time
    for number in range(20):
        denied = await check(world, f"nobody{number}", "guess")
        assert denied == Deny(Reason.UNKNOWN_KEY)
    for access_key in ("nobody", pair.key.access_key):
        spent = await check(world, access_key, "guess")
        assert spent == Deny(Reason.TOO_MANY_FAILURES)
    assert await check(world, pair.key.access_key, pair.secret) == spent
    assert isinstance(await check(world, world.key_a.key.access_key, world.key_a.secret), Principal)
    found = await check(world, pair.key.access_key, pair.secret, address="198.51.100.9")
    assert isinstance(found, Principal)
    assert isinstance(await check(world, pair.key.access_key, pair.secret), Principal)


async def test_many_requests_at_once_with_one_right_password_are_one_guess(world: World) -> None:
    """The password was not verified before, and the guess is forgiven."""
    pair = await unsealed(world)
    uses = [check(world, pair.key.access_key, pair.secret) for _ in range(100)]
    assert all(isinstance(found, Principal) for found in await asyncio.gather(*uses))
    assert world.node.authenticator._guesses._sources.is_untouched("192.0.2.1")


async def test_a_guess_that_could_not_be_verified_is_not_charged(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The source of a guess is not charged if the queue was full."""
    await unsealed(world)
    monkeypatch.setattr(world.node.authenticator.unsealed, "_most", 0)
    for _ in range(50):
        with pytest.raises(Busy):
            await check(world, "nobody", "guess")


async def test_a_guess_that_finds_the_queue_full_costs_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused before the store is read, and its source is not charged."""
    await unsealed(world)
    counted = Counted(world, monkeypatch)
    monkeypatch.setattr("proxy.auth.authenticator.MAX_WAITING_UNSEALED", 0)
    for number in range(50):
        with pytest.raises(Busy):
            await check(world, f"nobody{number}", "guess")
    assert (counted.bcrypts, counted.loads) == (0, 0)
    assert world.node.authenticator._guesses._sources.is_untouched("192.0.2.1")


async def test_a_source_without_budget_gets_a_429(world: World) -> None:
    """The response has Retry-After, and the log has the reason."""
    world.node.authenticator._guesses = GuessLimiter(lambda: 0.0)
    guess = base64.b64encode(b"nobody:guess")
    raw = b"GET /v1/projects/a/x HTTP/1.1\r\nHost: h\r\nAuthorization: Basic " + guess + b"\r\n\r\n"
    answers = await world.send(raw * 30, shut=True)
    assert answers.count(b"HTTP/1.1 401 ") == 20
    assert answers.count(b"HTTP/1.1 429 Too Many Requests\r\n") == 10
    assert answers.count(b"Retry-After: 1\r\n") == 10
    assert [line["reason"] for line in world.log()].count("too-many-failures") == 10


async def test_a_secret_from_before_a_rotation_costs_one_bcrypt_for_all_its_tries(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that does not know of the rotation may try it again and again."""
    pair, counted = world.key_a, Counted(world, monkeypatch)
    other = secret.generate(pair.key.access_key, world.store.seal_key)
    await world.put(replace(pair.key, secret_hash=password_hash.hash_secret(other.encode(), 4)))
    for _ in range(20):
        assert await check(world, pair.key.access_key, pair.secret) == Deny(Reason.WRONG_SECRET)
    assert counted.bcrypts == 1


async def test_both_secrets_of_a_rotated_key_are_valid_until_the_overlap_ends(world: World) -> None:
    """The clock decides at each request, also for credentials in the cache."""
    pair, authenticator = world.key_a, world.node.authenticator
    now = authenticator.clock()
    monkey = {"now": now}
    authenticator.clock = lambda: monkey["now"]
    other = secret.generate(pair.key.access_key, world.store.seal_key)
    rotated = replace(
        pair.key,
        secret_hash=password_hash.hash_secret(other.encode(), 4),
        previous_hash=pair.key.secret_hash,
        previous_until=now + 1000,
    )
    await world.put(rotated)
    for value in (pair.secret, other):
        for _ in range(2):  # verified, and recalled
            principal = await check(world, pair.key.access_key, value)
            assert isinstance(principal, Principal)
            assert principal.previous is (value == pair.secret)
    monkey["now"] = now + 1000
    assert await check(world, pair.key.access_key, pair.secret) == Deny(Reason.WRONG_SECRET)
    assert isinstance(await check(world, pair.key.access_key, other), Principal)
