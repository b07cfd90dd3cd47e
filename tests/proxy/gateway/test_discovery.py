"""An upstream whose name resolves to many: its targets are the servers that the DNS names."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from pathlib import Path
from typing import Any

import dns.rcode
import pytest

from tests.harness import OK, status, until
from tests.proxy.gateway.resolving import NAME, at, resolving


async def test_each_address_of_the_name_is_a_target(tmp_path: Path) -> None:
    """Its requests have the Host field of the URL, and are spread as over any targets."""
    async with resolving(tmp_path, at(3), balance="round_robin") as world:
        assert set(world.targets) == {each.url for each in world.servers}
        assert await world.ask(9) == {200: 9}
        assert [each.asked for each in world.servers] == [3, 3, 3]
        host = f"\r\nHost: {NAME}:{world.servers[0].port}\r\n".encode()
        assert all(host in each.upstream.requests[0] for each in world.servers)
        assert (world.lookup.name, world.lookup.kind, world.lookup.why) == (NAME, "A", "")


async def test_no_request_fails_while_targets_come_and_go(tmp_path: Path) -> None:
    """From two to three to one, and so on."""
    async with resolving(tmp_path, at(3), known=2, ejection=None) as world:
        first, second, third = world.servers
        done, statuses = asyncio.Event(), Counter[int]()

        async def go_on_asking() -> None:
            while not done.is_set():
                statuses.update(await world.ask())

        asking = [asyncio.create_task(go_on_asking()) for _ in range(4)]
        for servers in ((first, second, third), (first,), (second, third), (first, third)) * 3:
            await world.use(*servers)
            for each in servers:
                each.upstream.requests.clear()
            for each in servers:
                await until(lambda asked=each.upstream.requests: asked)  # type: ignore[misc]
        done.set()
        await asyncio.gather(*asking)
        assert set(statuses) == {200}


async def test_a_target_that_stays_keeps_its_connections_and_what_is_known_of_it(
    tmp_path: Path,
) -> None:
    """It is the same as before."""
    async with resolving(tmp_path, at(2), known=1) as world:
        first, second = world.servers
        await world.ask(3)
        kept = world.target(first)
        kept.circuit.failed("x", 0.0)  # type: ignore[union-attr]
        assert len(first.upstream.connections) - 1 == 1  # the gateway has tried the first
        await world.use(first, second)
        assert world.target(first) is kept
        assert kept.circuit
        assert kept.circuit.failures == 1
        await world.use(first)
        await world.ask(3)
        assert len(first.upstream.connections) - 1 == 1


async def test_a_target_that_leaves_finishes_its_requests_and_gets_no_others(
    tmp_path: Path,
) -> None:
    """Its connections are closed after them."""
    async with resolving(tmp_path, at(2), known=1) as world:
        leaving, stays = world.servers
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            begun.set()
            await go_on.wait()
            writer.write(OK)
            await reader.read()

        leaving.upstream.handle = slow
        pool = world.target(leaving).pool
        asking = asyncio.create_task(world.world.send(world.world.request()))
        await begun.wait()
        await world.use(stays)
        assert await world.ask(5) == {200: 5}
        assert stays.asked == 5
        go_on.set()
        assert status(await asking) == 200
        await until(lambda: not pool.connections)


async def test_an_answer_counts_as_long_as_its_ttl_says(tmp_path: Path) -> None:
    """Then the name is looked up again, at the next tick."""
    async with resolving(tmp_path, at(2), known=1, resolve={"min_ttl": 0.01}) as world:
        world.answer(*world.servers)
        await world.comes_to(*world.servers)
        world.dns.ttl = 3600
        await world.look_up()
        discovery = world.balancer.discovery
        assert discovery
        assert not discovery.is_due
        world.dns.ttl = 0
        await world.look_up()
        await until(lambda: discovery.is_due)


@pytest.mark.parametrize("failure", ["SERVFAIL", "REFUSED", "NXDOMAIN", "empty", "silence"])
async def test_a_failed_lookup_takes_no_target_away(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, failure: str
) -> None:
    """It is shown, and logged once when it begins and once when it is over."""
    async with resolving(tmp_path, at(2), resolve={"timeout": 0.3}) as world:
        names = set(world.targets)
        if failure == "silence":
            world.dns.silent = True
        elif failure == "empty":
            world.dns.set(NAME, "A")
            world.dns.set(NAME, "TXT", "x")
        elif failure == "NXDOMAIN":
            world.dns.set(NAME, "A")
        else:
            world.dns.code = dns.rcode.from_text(failure)
        with caplog.at_level(logging.WARNING, "wardgate"):
            for _ in range(3):
                await world.look_up()
            assert set(world.targets) == names
            assert await world.ask(4) == {200: 4}
            shown = {"empty": "no A records", "silence": "no answer within 0.3 s"}
            assert shown.get(failure, failure) in world.lookup.why
            (line,) = world.world.health.current
            assert line.startswith("the name of upstream default cannot be looked up: ")
            world.dns.silent, world.dns.code = False, dns.rcode.NOERROR
            world.answer(*world.servers[:1])
            await world.look_up()
            assert len(world.targets) == 1
        assert world.lookup.why == ""
        assert world.world.health.current == []
        lines = [each for each in caplog.messages if "the name of upstream" in each]
        assert len(lines) == 2
        assert lines[1] == "the name of upstream default can be looked up again"


async def test_requests_before_the_first_answer_open_no_breaker_and_eject_nothing(
    tmp_path: Path,
) -> None:
    """They say nothing of the servers, which nobody has asked yet."""
    settings: dict[str, Any] = {
        "breaker": {"failures": 2, "time": 20},
        "ejection": {"failures": 1},
    }
    async with resolving(tmp_path, at(1), 0, resolve={"timeout": 0.3}, **settings) as world:
        assert await world.ask(5) == {502: 5}
        assert not world.lookup.answered
        await world.use(*world.servers)
        assert world.lookup.answered
        assert await world.ask(2) == {200: 2}
