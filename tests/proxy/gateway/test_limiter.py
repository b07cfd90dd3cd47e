"""Limits at a gateway: how many requests pass, which are refused, and what clients are told."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.domain.errors import StoreUnavailable
from proxy.domain.limits import parse_limits
from proxy.domain.model import AccountKind
from tests.harness import OK, Pair, World, account, renewed, running_world, status
from tests.support.clocks import Clock

NOON = "2026-11-27T12:00:00"
OFFER = (
    b"Connection: Upgrade",
    b"Upgrade: websocket",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
)
SWITCHED = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: x\r\n\r\n"
)


async def limit(world: World, pair: Pair | None = None, **limits: Any) -> None:
    """Limit a key, by default that of `a`."""
    await world.put(renewed(pair or world.key_a, limits=parse_limits(limits)))


async def limit_owners(world: World, **limits: Any) -> None:
    """Limit the user's account and the environment `a`."""
    parsed = parse_limits(limits)
    await world.put(
        account(2, AccountKind.USER, limits=parsed), replace(world.environment_a, limits=parsed)
    )


async def ask(world: World, times: int, pair: Pair | None = None, **how: Any) -> list[int]:
    """The statuses of so many requests, one after the other on one connection."""
    request = world.request(pair=pair, close=False, **how)
    last = world.request(pair=pair, **how)
    answer = await world.send(request * (times - 1) + last)
    return [int(each) for each in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


# --- rates ---


async def test_a_key_may_use_its_burst_at_once_and_then_goes_by_its_rate(tmp_path: Path) -> None:
    """Other keys are not concerned."""
    async with running_world(tmp_path) as world:
        clock = Clock.of(world.node, NOON)
        await limit(world, rate="2/s", burst=3)
        assert await ask(world, 5) == [200, 200, 200, 429, 429]
        clock.pass_by(0.499)
        assert await ask(world, 1) == [429]
        clock.pass_by(0.001)
        assert await ask(world, 2) == [200, 429]
        assert await ask(world, 5, world.key_b, target=b"/v1/projects/b/x") == [200] * 5
        clock.pass_by(60)
        assert await ask(world, 4) == [200, 200, 200, 429]
        assert len(world.upstream.requests) == 12


async def test_a_request_uses_up_the_limits_of_key_account_and_environment_or_none(
    tmp_path: Path,
) -> None:
    """What one of them refuses, the others do not count."""
    async with running_world(tmp_path) as world:
        Clock.of(world.node, NOON)
        await limit(world, world.user, rate="1/h", burst=2)
        await limit_owners(world, rate="1/h", burst=4)
        assert await ask(world, 9, world.user) == [200, 200] + [429] * 7
        assert await ask(world, 4) == [200, 200, 429, 429]
        await limit(world, world.user, rate="1/h", burst=9)
        assert await ask(world, 1, world.user) == [429]
        await world.put(replace(world.environment_a, limits=parse_limits({})))
        assert await ask(world, 3, world.user) == [200, 200, 429]


async def test_an_environment_is_bounded_for_account_keys_too(tmp_path: Path) -> None:
    """Only within its paths."""
    routes = [{"path": "/v1/projects/{environment}/**"}, {"path": "/**", "access": "any"}]
    async with running_world(tmp_path, routes=routes) as world:
        Clock.of(world.node, NOON)
        bounded = replace(world.environment_a, limits=parse_limits({"rate": "1/h", "burst": 2}))
        await world.put(bounded)
        assert await ask(world, 3, world.admin) == [200, 200, 429]
        assert await ask(world, 1, world.admin, target=b"/v1/projects/b/x") == [200]
        assert await ask(world, 3, world.admin, target=b"/elsewhere") == [200] * 3
        assert await ask(world, 1, target=b"/elsewhere") == [429]


async def test_of_a_thousand_requests_at_once_exactly_those_pass_that_are_left(
    tmp_path: Path,
) -> None:
    """Over as many connections, by a rate and by a quota: not one more, not one less."""
    limits: dict[str, int] = {"connections_per_source": 2000}
    async with running_world(tmp_path, limits=limits) as world:
        Clock.of(world.node, NOON)
        await limit(world, rate="1/h", burst=100)
        await limit(world, world.key_b, quota="100/day")
        for pair, target in (
            (world.key_a, b"/v1/projects/a/x"),
            (world.key_b, b"/v1/projects/b/x"),
        ):
            answers = await asyncio.gather(
                *(world.send(world.request(target, pair=pair)) for _ in range(1000))
            )
            assert Counter(map(status, answers)) == {200: 100, 429: 900}


async def test_an_edit_keeps_what_was_used(tmp_path: Path) -> None:
    """A larger burst has more left, a smaller one nothing; to change there and back gives no
    request back."""
    async with running_world(tmp_path) as world:
        clock = Clock.of(world.node, NOON)
        await limit(world, rate="1/s", burst=10)
        assert await ask(world, 8) == [200] * 8
        await limit(world, rate="1/min", burst=5)
        assert await ask(world, 1) == [429]
        clock.pass_by(59.999)
        assert await ask(world, 1) == [429]
        clock.pass_by(0.001)
        assert await ask(world, 2) == [200, 429]
        await limit(world, rate="100/s", burst=7)
        assert await ask(world, 3) == [200, 200, 429]


async def test_rates_that_are_full_again_take_no_memory(tmp_path: Path) -> None:
    """However many keys have used theirs."""
    async with running_world(tmp_path) as world:
        clock = Clock.of(world.node, NOON)
        await limit(world, rate="1/s")
        await limit(world, world.key_b, rate="1/h")
        await ask(world, 1)
        await ask(world, 1, world.key_b, target=b"/v1/projects/b/x")
        assert world.inside.rates_in_use == 2
        clock.pass_by(2)
        world.node.limiter.tick()
        assert world.inside.rates_in_use == 1


# --- quotas ---


async def test_a_quota_begins_anew_at_midnight_of_utc(tmp_path: Path) -> None:
    """That of a month with the month."""
    async with running_world(tmp_path) as world:
        clock = Clock.of(world.node, "2026-11-30T23:59:59.999")
        await limit(world, quota="3/day")
        await limit(world, world.key_b, quota="2/month")
        other: dict[str, Any] = {"pair": world.key_b, "target": b"/v1/projects/b/x"}
        assert await ask(world, 5) == [200] * 3 + [429] * 2
        assert await ask(world, 3, **other) == [200, 200, 429]
        clock.pass_by(0.001)
        assert await ask(world, 4) == [200] * 3 + [429]
        assert await ask(world, 3, **other) == [200, 200, 429]
        clock.show("2026-12-02T00:00:00")
        assert await ask(world, 1) == [200]
        assert await ask(world, 1, **other) == [429]


async def test_an_edit_of_a_quota_keeps_what_was_used(tmp_path: Path) -> None:
    """Of the other period, too."""
    async with running_world(tmp_path) as world:
        Clock.of(world.node, NOON)
        await limit(world, quota="1000/day")
        assert await ask(world, 10) == [200] * 10
        await limit(world, quota="12/day")
        assert await ask(world, 3) == [200, 200, 429]
        await limit(world, quota="13/month")
        assert await ask(world, 2) == [200, 429]
        await limit(world, quota="5/day")
        assert await ask(world, 1) == [429]


async def test_without_the_store_a_quota_that_is_not_granted_is_a_503(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows whether the request may pass, so it does not. A limit that is not enforced
    refuses nothing then either."""

    async def unavailable(*_: object) -> Any:
        raise StoreUnavailable("away")

    async with running_world(tmp_path) as world:
        await limit(world, quota="1000/day")
        await limit(world, world.key_b, quota="1000/day", enforce=False)
        monkeypatch.setattr(world.store, "grant_quotas", unavailable)
        answer = await world.send(world.request())
        assert status(answer) == 503
        assert world.log()[-1]["reason"] == "store"
        assert await ask(world, 2, world.key_b, target=b"/v1/projects/b/x") == [200, 200]
        assert "would_refuse" not in world.log()[-1]
        monkeypatch.undo()
        assert await ask(world, 1) == [200]


async def test_a_request_that_a_rate_refuses_asks_for_no_quota(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a flood beyond the rate writes nothing, and is told 429 even where the store cannot
    grant."""
    async with running_world(tmp_path) as world:
        Clock.of(world.node, NOON)
        await limit(world, rate="1/h")
        assert await ask(world, 1) == [200]
        await limit(world, rate="1/h", quota="1000/day")

        async def unavailable(*_: object) -> Any:
            raise StoreUnavailable("gone")

        monkeypatch.setattr(world.store, "grant_quotas", unavailable)
        assert await ask(world, 3) == [429] * 3
        assert {line["reason"] for line in world.log()[1:]} == {"rate"}


async def test_a_key_that_is_deactivated_while_it_waits_for_a_quota_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The verdict from before the wait does not count any more."""
    async with running_world(tmp_path) as world:
        await limit(world, quota="1000/day")
        grant, asked, let = world.store.grant_quotas, asyncio.Event(), asyncio.Event()

        async def slowly(*given: Any) -> Any:
            asked.set()
            await let.wait()
            return await grant(*given)

        monkeypatch.setattr(world.store, "grant_quotas", slowly)
        asking = asyncio.ensure_future(world.send(world.request()))
        await asked.wait()
        await world.put(renewed(world.key_a, expires=1))
        let.set()
        assert status(await asking) == 401
        assert world.upstream.requests == []


# --- what is counted ---


async def test_a_request_is_counted_once_whatever_becomes_of_it(tmp_path: Path) -> None:
    """Also where it is sent to the upstream a second time, and where that fails; one that the
    gateway refuses is not counted."""
    async with running_world(tmp_path) as world:
        Clock.of(world.node, NOON)
        await limit(world, rate="1/h", burst=4)
        seen = 0

        async def fail_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal seen
            while True:
                await reader.readuntil(b"\r\n\r\n")
                seen += 1
                if seen == 2:
                    writer.close()
                    return
                writer.write(OK)

        world.upstream.handle = fail_once
        assert await ask(world, 2) == [200, 200]
        assert seen == 3
        assert await ask(world, 3, target=b"/v1/projects/b/x") == [403] * 3
        bad_offer = world.request(b"/v1/projects/a/x", *OFFER[:2])
        assert status(await world.send(bad_offer)) == 400
        assert await ask(world, 3) == [200, 200, 429]
        await world.node.usage.write()
        key = await world.store.get_key(3)
        assert key
        assert key.use_count == 4


async def test_a_websocket_is_counted_at_its_upgrade(tmp_path: Path) -> None:
    """Not what goes through it."""
    async with running_world(tmp_path) as world:
        Clock.of(world.node, NOON)
        await limit(world, rate="1/h", burst=2)

        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(SWITCHED)
            while data := await reader.read(100):
                writer.write(data)
            writer.close()

        world.upstream.handle = echo
        for expected in (101, 101, 429):
            reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
            writer.write(world.request(b"/v1/projects/a/x", *OFFER, close=False))
            assert status(await reader.readuntil(b"\r\n\r\n")) == expected
            for number in range(20 if expected == 101 else 0):
                frame = b"\x82\x85\0\0\0\0%05d" % number
                writer.write(frame)
                assert await reader.readexactly(len(frame)) == frame
            writer.close()
