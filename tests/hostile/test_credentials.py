"""Credentials that anybody can make up: they all cost the same, push nothing out, fill nothing."""

from __future__ import annotations

import base64
import hmac
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from proxy.auth.decision import AccessRequest
from proxy.auth.ratelimit import GuessLimiter
from proxy.auth.records import CachedRecords
from proxy.domain import secret
from proxy.domain.clock import now_ms
from proxy.domain.model import AccountKind, Deny, Key, Principal, Reason, State
from tests.harness import World, account, new_key, running_world, status

OUTSIDE = b"a password from before"
SECRETS = {
    "none": b"",
    "short": b"guess",
    "of our form": b"wgs_" + b"1" * 40,
    "of another store": secret.generate("0" * 20, b"another seal key").encode(),
    "as long as can be": b"x" * 72,
}


@dataclass
class Costs:
    """What was done to find out."""

    hmacs: int = 0
    reads: int = 0
    bcrypts: int = 0

    def taken(self) -> tuple[int, int, int]:
        """What has come together, and begin anew."""
        found = self.hmacs, self.reads, self.bcrypts
        self.hmacs = self.reads = self.bcrypts = 0
        return found


@pytest.fixture
def costs(monkeypatch: pytest.MonkeyPatch) -> Costs:
    """Counted of everything in this process."""
    counted = Costs()
    digest = hmac.HMAC.digest

    def counting_digest(mac: hmac.HMAC) -> bytes:
        counted.hmacs += 1
        return digest(mac)

    def counting_verify(value: bytes, stored: bytes) -> bool:
        counted.bcrypts += 1
        return secret.verify(value, stored)

    monkeypatch.setattr(hmac.HMAC, "digest", counting_digest)
    monkeypatch.setattr("proxy.auth.verifier.verify", counting_verify)
    return counted


def count_reads(records: CachedRecords, costs: Costs) -> None:
    """Have what is read from the store counted too."""

    def counting(load: Any) -> Any:
        async def loading(key: Any) -> Any:
            costs.reads += 1
            return await load(key)

        return loading

    tables = (
        records.keys,
        records.accounts,
        records.environments,
        records.slugs,
        records.memberships,
    )
    for table in tables:
        table._load = counting(table._load)


@dataclass
class Place:
    """A gateway with keys of every kind, none of which anybody has used yet."""

    world: World
    names: dict[str, str] = field(default_factory=dict)
    """Kind → access key."""

    async def ask(self, name: str, value: bytes) -> bytes:
        """What a stranger is told who has not failed before."""
        self.world.node.authenticator._guesses = GuessLimiter()
        pair = base64.b64encode(name.encode() + b":" + value)
        head = b"GET /v1/projects/a/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
        return await self.world.send(head + b"Authorization: Basic " + pair + b"\r\n\r\n")

    def forget(self) -> None:
        """As if the gateway had just begun."""
        self.world.node.records.keys.drop()

    async def remember(self) -> None:
        """As if each key had been used a moment ago."""
        for name in self.names.values():
            await self.world.node.records.keys.find(name)


@pytest.fixture
async def place(tmp_path: Path, costs: Costs) -> AsyncIterator[Place]:
    """With sealed keys only."""
    async with running_world(tmp_path) as world:
        here = Place(world, {"unknown": "0" * 20, "unknown and odd": "nobody"})
        sealed = {
            "active": new_key(world.store, 11, environment_id=3).key,
            "inactive": new_key(world.store, 12, environment_id=3).key,
            "expired": new_key(world.store, 13, environment_id=3, expires=now_ms() - 1).key,
            "of an inactive account": new_key(world.store, 14, account_id=9).key,
        }
        sealed["inactive"] = replace(sealed["inactive"], state=State.INACTIVE)
        owner = replace(account(9, AccountKind.USER), state=State.INACTIVE)
        await world.put(owner, *sealed.values())
        here.names |= {kind: key.access_key for kind, key in sealed.items()}
        count_reads(world.node.records, costs)
        yield here


async def add_unsealed(here: Place) -> None:
    """Keys that were made elsewhere."""
    model = new_key(here.world.store, 20, environment_id=3).key

    def unsealed(number: int, **changes: Any) -> Key:
        hashed = secret.hash_secret(OUTSIDE, 4 + number % 2)
        name = f"outside{number}"
        return replace(
            model,
            id=number,
            uuid=f"k{number}",
            access_key=name,
            secret_hash=hashed,
            sealed=False,
            **changes,
        )

    keys = {
        "outside": unsealed(21),
        "outside and inactive": unsealed(22, state=State.INACTIVE),
        "outside and expired": unsealed(23, expires=now_ms() - 1),
        "outside once": replace(
            unsealed(24, previous_hash=secret.hash_secret(OUTSIDE, 4)),
            previous_until=now_ms() + 1_000_000,
            sealed=True,
            previous_sealed=False,
        ),
    }
    await here.world.put(*keys.values())
    here.names |= {kind: key.access_key for kind, key in keys.items()}


def cases(here: Place) -> Iterator[tuple[str, str, bytes]]:
    """Every kind of bad credential that takes no genuine secret: what it is, and the pair."""
    for kind, name in here.names.items():
        for form, value in SECRETS.items():
            yield f"{kind}, {form}", name, value


@pytest.mark.parametrize("outside", [False, True], ids=["sealed only", "unsealed too"])
async def test_they_all_cost_the_same(place: Place, costs: Costs, outside: bool) -> None:
    """As many HMACs, reads of the store and bcrypts, whether the key exists, works, or was used a
    moment ago; and the answers are alike."""
    if outside:
        await add_unsealed(place)
    await place.ask("warm", b"up")  # the floor is measured
    place.world.node.authenticator._unsealed._floor = (
        0.0  # of a machine that is busy it may be high
    )
    found: dict[tuple[int, int, int], list[str]] = {}
    answers = set()
    for used in (False, True):
        for what, name, value in cases(place):
            place.forget()
            if used:
                await place.remember()
            costs.taken()
            answer = await place.ask(name, value)
            assert status(answer) == 401
            answers.add(len(answer))
            found.setdefault(costs.taken(), []).append(f"{what}{', used' * used}")
    assert list(found) == [(1, 1, 1) if outside else (1, 0, 0)], found
    assert len(answers) == 1


async def test_without_keys_from_elsewhere_they_take_no_task(place: Place, costs: Costs) -> None:
    """They are refused from memory, in the turn in which they came, after one HMAC."""
    for what, name, value in cases(place):
        place.world.node.authenticator._guesses = GuessLimiter()
        costs.taken()
        pair = base64.b64encode(name.encode() + b":" + value)
        request = AccessRequest(
            "GET",
            b"/v1/projects/a/x",
            authorization=[b"Basic " + pair],
            address="192.0.2.1",
        )
        verdict = place.world.node.gateway.runtime.decider.decide(request)
        assert verdict is not None, what
        assert verdict.permit == Deny(Reason.FORGED)
        assert costs.taken() == (1, 0, 0)


async def test_garbage_pushes_out_nobody(place: Place, costs: Costs) -> None:
    """After 100,000 of them, whoever was verified is so still, without another bcrypt."""
    world = place.world
    assert status(await world.send(world.request())) == 200
    authenticator = world.node.authenticator
    for number in range(100_000):
        given = authenticator.parse([b"Basic " + base64.b64encode(b"%020d:guess" % number)])
        assert not isinstance(given, Deny)
        denied = await authenticator.authenticate(given, f"10.0.{number >> 8 & 255}.{number & 255}")
        assert denied == Deny(Reason.FORGED) or denied == Deny(Reason.TOO_MANY_FAILURES)
    costs.taken()
    assert status(await world.send(world.request())) == 200
    assert costs.taken() == (0, 0, 0)
    assert len(authenticator._verified) == 1


async def test_garbage_takes_up_no_memory(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither what fails at once, nor, with keys from elsewhere, what must be looked up: names
    that nobody has are remembered, so many and no more, apart from those of keys."""
    await add_unsealed(place)
    world, authenticator = place.world, place.world.node.authenticator
    monkeypatch.setattr(
        "proxy.auth.records.MAX_ABSENT", 256
    )  # a store's read for each would take long
    monkeypatch.setattr("proxy.auth.verifier.verify", lambda _value, _stored: False)
    await authenticator._unsealed.set_floor(5)
    authenticator._unsealed._floor = 0.0
    pair = base64.b64encode(f"{place.names['outside']}:".encode() + OUTSIDE)
    tracemalloc.start()
    try:
        for number in range(1_000):
            if number == 300:
                before = tracemalloc.get_traced_memory()[0]
            given = authenticator.parse([b"Basic " + base64.b64encode(b"%020d:guess" % number)])
            assert not isinstance(given, Deny)
            source = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
            assert isinstance(await authenticator.authenticate(given, source), Deny)
        assert tracemalloc.get_traced_memory()[0] - before < 100_000
    finally:
        tracemalloc.stop()
    assert len(world.node.records.keys._absent) == 256
    assert not authenticator._verified
    assert not authenticator._refused
    monkeypatch.undo()
    given = authenticator.parse([b"Basic " + pair])
    assert not isinstance(given, Deny)
    assert isinstance(await authenticator.authenticate(given, "192.0.2.1"), Principal)
