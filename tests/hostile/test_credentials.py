"""Credentials that anybody can make up: each costs the same, and they displace and fill nothing."""

from __future__ import annotations

import base64
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from proxy.auth import password_hash
from proxy.auth.access_request import AccessRequest
from proxy.auth.credentials import parse
from proxy.domain import secret
from proxy.domain.clock import now_ms
from proxy.domain.model import AccountKind, Deny, Key, Principal, Reason, State
from tests.harness import World, account, new_key, running_world, status

OUTSIDE = b"a password from before"
SECRETS = {
    "short": b"guess",
    "of our form": b"wgs_" + b"1" * 40,
    "of another store": secret.generate("0" * 20, b"another seal key").encode(),
    "as long as bcrypt reads": b"x" * 72,
    "longer": b"x" * 200,
}


@dataclass
class Costs:
    """What the gateway did to check credentials."""

    hmacs: int = 0
    reads: int = 0
    bcrypts: int = 0

    def taken(self) -> tuple[int, int, int]:
        """(HMACs, reads, bcrypts) since the last call."""
        found = self.hmacs, self.reads, self.bcrypts
        self.hmacs = self.reads = self.bcrypts = 0
        return found


@pytest.fixture
def costs(monkeypatch: pytest.MonkeyPatch) -> Costs:
    """The costs of all that this process checks."""
    counted = Costs()
    seal = secret._seal

    def counting_seal(access_key: bytes, body: bytes, seal_key: bytes) -> bytes:
        counted.hmacs += 1
        return seal(access_key, body, seal_key)

    def counting_verify(value: bytes, stored: bytes) -> bool:
        counted.bcrypts += 1
        return password_hash.verify(value, stored)

    monkeypatch.setattr("proxy.domain.secret._seal", counting_seal)
    monkeypatch.setattr("proxy.auth.verifier.verify", counting_verify)
    return counted


def basic(name: str, value: bytes) -> bytes:
    """The value of an Authorization field; the secret key may be any bytes."""
    return b"Basic " + base64.b64encode(name.encode() + b":" + value)


@dataclass
class Guessed:
    """A gateway with keys of every kind, none of which has been used yet."""

    world: World
    names: dict[str, str] = field(default_factory=dict)
    """Kind → access key."""

    async def ask(self, name: str, value: bytes) -> bytes:
        """The answer to a source that has not failed before."""
        self.world.inside.forget_guesses()
        head = b"GET /v1/projects/a/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
        return await self.world.send(head + b"Authorization: " + basic(name, value) + b"\r\n\r\n")

    def forget(self) -> None:
        """Let no key be cached, as if the gateway had just started."""
        self.world.node.records.keys.drop()

    async def remember(self) -> None:
        """Let each key be cached, as if it had been used a moment ago."""
        for name in self.names.values():
            await self.world.node.records.keys.find(name)


@pytest.fixture
async def guessed(tmp_path: Path, costs: Costs) -> AsyncIterator[Guessed]:
    """A gateway with sealed keys only."""
    async with running_world(tmp_path) as world:
        here = Guessed(world, {"unknown": "0" * 20, "unknown and odd": "nobody"})
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

        def count_read() -> None:
            costs.reads += 1

        world.inside.before_each_read(count_read)
        yield here


async def add_unsealed(here: Guessed) -> None:
    """Add imported keys, which have no seal."""
    model = new_key(here.world.store, 20, environment_id=3).key

    def unsealed(number: int, **changes: Any) -> Key:
        hashed = password_hash.hash_secret(OUTSIDE, 4 + number % 2)
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
            unsealed(24, previous_hash=password_hash.hash_secret(OUTSIDE, 4)),
            previous_until=now_ms() + 1_000_000,
            sealed=True,
            previous_sealed=False,
        ),
    }
    await here.world.put(*keys.values())
    here.names |= {kind: key.access_key for kind, key in keys.items()}


def cases(here: Guessed) -> Iterator[tuple[str, str, bytes]]:
    """(what it is, access key, secret key) for each kind of credentials without a good secret."""
    for kind, name in here.names.items():
        for form, value in SECRETS.items():
            yield f"{kind}, {form}", name, value


@pytest.mark.parametrize("outside", [False, True], ids=["sealed only", "unsealed too"])
async def test_all_wrong_credentials_cost_the_same(
    guessed: Guessed, costs: Costs, outside: bool
) -> None:
    """They cost as many HMACs, reads of the store and bcrypts, whether the key exists, works, or
    was used a moment ago; and the answers have one length."""
    if outside:
        await add_unsealed(guessed)
    await guessed.ask("warm", b"up")
    guessed.world.inside.drop_floor(5)
    found: dict[tuple[int, int, int], list[str]] = {}
    answers = set()
    for used in (False, True):
        for what, name, value in cases(guessed):
            guessed.forget()
            if used:
                await guessed.remember()
            costs.taken()
            answer = await guessed.ask(name, value)
            assert status(answer) == 401
            answers.add(len(answer))
            found.setdefault(costs.taken(), []).append(f"{what}{', used' * used}")
    assert list(found) == [(1, 1, 1) if outside else (1, 0, 0)], found
    assert len(answers) == 1


async def test_without_imported_keys_wrong_credentials_are_refused_without_a_task(
    guessed: Guessed, costs: Costs
) -> None:
    """They are refused from memory, in the turn of the event loop in which they came, after one
    HMAC."""
    for what, name, value in cases(guessed):
        guessed.world.inside.forget_guesses()
        costs.taken()
        request = AccessRequest(
            "GET",
            b"/v1/projects/a/x",
            authorization=[basic(name, value)],
            address="192.0.2.1",
        )
        verdict = guessed.world.node.gateway.runtime.decider.decide(request)
        assert verdict is not None, what
        assert verdict.permit == Deny(Reason.FORGED)
        assert costs.taken() == (1, 0, 0)


async def test_forged_credentials_displace_no_verified_ones(guessed: Guessed, costs: Costs) -> None:
    """After 100,000 of them, a key that was verified before needs its seal checked and no other
    bcrypt."""
    world = guessed.world
    assert status(await world.send(world.request())) == 200
    authenticator = world.node.authenticator
    for number in range(100_000):
        given = parse([basic(f"{number:020}", b"guess")])
        assert not isinstance(given, Deny)
        denied = await authenticator.authenticate(given, f"10.0.{number >> 8 & 255}.{number & 255}")
        assert denied == Deny(Reason.FORGED) or denied == Deny(Reason.TOO_MANY_FAILURES)
    costs.taken()
    assert status(await world.send(world.request())) == 200
    assert costs.taken() == (1, 0, 0)
    verified, _, _ = world.inside.remembered
    assert verified == 1


async def test_guesses_take_up_no_memory(guessed: Guessed, monkeypatch: pytest.MonkeyPatch) -> None:
    """With imported keys, guesses must be looked up in the store: a bounded number of access keys
    that do not exist is remembered, apart from those that do."""
    await add_unsealed(guessed)
    world, authenticator = guessed.world, guessed.world.node.authenticator
    # So few that reading that many from the store does not take long.
    monkeypatch.setattr("proxy.auth.records.MAX_ABSENT", 256)
    monkeypatch.setattr("proxy.auth.verifier.verify", lambda _value, _stored: False)
    world.inside.drop_floor(5)
    tracemalloc.start()
    try:
        for number in range(1_000):
            if number == 300:
                before = tracemalloc.get_traced_memory()[0]
            given = parse([basic(f"{number:020}", b"guess")])
            assert not isinstance(given, Deny)
            source = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
            assert isinstance(await authenticator.authenticate(given, source), Deny)
        assert tracemalloc.get_traced_memory()[0] - before < 100_000
    finally:
        tracemalloc.stop()
    assert world.inside.remembered == (0, 0, 256)
    monkeypatch.undo()
    given = parse([basic(guessed.names["outside"], OUTSIDE)])
    assert not isinstance(given, Deny)
    assert isinstance(await authenticator.authenticate(given, "192.0.2.1"), Principal)


async def test_a_flood_of_guesses_leaves_a_few_lines_in_the_log(tmp_path: Path) -> None:
    """They say how many there were, for each reason; and the metrics count each."""
    async with running_world(tmp_path, access_log_refusals=5) as world:
        world.stop_clock()
        world.node.gateway.telemetry.flush()
        world.inside.forget_guesses()
        guess = b"Authorization: " + basic("0" * 20, b"guess") + b"\r\n"
        head = b"GET /v1/projects/a/x HTTP/1.1\r\nHost: h\r\n" + guess + b"\r\n"
        last = head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        answers = await world.send(head * 499 + last)
        found: Counter[str] = Counter()
        lines = world.log()
        for line in lines:
            found[line["reason"]] += line.get("count", 1)
    assert answers.count(b"HTTP/1.1 4") == sum(found.values()) == 500
    assert set(found) == {"forged", "too-many-failures"}
    assert len(lines) <= 5 + 2 * 2
    assert found == world.node.gateway.telemetry.by_reason
