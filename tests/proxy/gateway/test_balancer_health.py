"""Which targets are in use: by checks, priorities, a circuit breaker, and after a reload."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.harness import OK, status, until
from tests.proxy.gateway.several import Server, Several, several
from tests.proxy.gateway.test_balancer import SOON, hangs, refuses
from tests.reloading import Reloading

CHECKS = {"path": "/healthz", "interval": 0.02, "timeout": 5, "unhealthy": 2, "healthy": 2}


def answers_checks_with(server: Server, answer: bytes) -> None:
    """From now on, a server answers checks so, and requests as before."""
    usual = server.upstream.respond
    server.upstream.respond = lambda request: (
        answer if request.startswith(b"GET /healthz ") else usual(request)
    )


def served(server: Server) -> int:
    """How many requests came that are no checks."""
    return sum(b"wardgate-check" not in each for each in server.upstream.requests)


SLOW: dict[str, Any] = {"connect_timeout": 20, "keepalive_timeout": 60}
"""As in all worlds."""
UNWELL = b"HTTP/1.1 503 Unwell\r\nContent-Length: 0\r\n\r\n"


async def test_a_target_whose_checks_fail_gets_no_requests_until_they_succeed(
    tmp_path: Path,
) -> None:
    """Though it would answer them."""
    async with several(tmp_path, checks=CHECKS) as two:
        first = two.servers[0]
        answers_checks_with(first, UNWELL)
        await until(lambda: two.states() == ["down", "up"])
        assert two.target(first).why == "status 503"
        before = served(first)
        assert await two.ask(10) == {200: 10}
        assert served(first) == before
        answers_checks_with(first, OK)
        await until(lambda: two.states() == ["up", "up"])
        while served(first) == before:
            await two.ask()


async def test_a_check_carries_no_key_and_closes_its_connection(tmp_path: Path) -> None:
    """It names the host of the target."""
    async with several(tmp_path, checks=CHECKS) as two:
        first = two.servers[0]
        await until(lambda: first.asked)
        assert first.upstream.requests[0] == (
            b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: wardgate-check\r\n"
            b"Connection: close\r\n\r\n" % first.port
        )


async def test_requests_leave_a_target_that_hangs_as_soon_as_its_checks_fail(
    tmp_path: Path,
) -> None:
    """Those that may be sent again, long before `first_byte_timeout`."""
    checks = CHECKS | {"timeout": 0.2}
    async with several(tmp_path, checks=checks, balance="round_robin") as two:
        for server in two.servers:
            answers_checks_with(server, OK)
        two.servers[0].upstream.handle = hangs
        assert await two.ask(4) == {200: 4}
        assert two.states() == ["down", "up"]
        assert two.target(two.servers[0]).why in {"no answer within 0.2 s", "upstream-closed"}


async def test_where_no_target_is_well_all_are_tried(tmp_path: Path) -> None:
    """It may be the check that is wrong."""
    async with several(tmp_path, checks=CHECKS) as two:
        for server in two.servers:
            answers_checks_with(server, UNWELL)
        await until(lambda: two.states() == ["down", "down"])
        assert await two.ask(10) == {200: 10}


async def test_requests_go_to_the_next_priority_only_while_no_target_of_the_first_is_well(
    tmp_path: Path,
) -> None:
    """And come back with it."""
    each = [{}, {"priority": 1}]
    async with several(tmp_path, each=each, ejection={"failures": 1} | SOON) as two:
        first, second = two.servers
        assert await two.ask(10) == {200: 10}
        assert second.asked == 0
        await first.kill()
        await two.becomes(first, "ejected")
        assert second.asked > 0
        await first.start()
        await two.becomes(first, "up")
        before = second.asked
        assert await two.ask(10) == {200: 10}
        assert second.asked == before
        assert {line["status"] for line in two.world.log()} == {200}


async def test_a_target_that_comes_back_starts_slowly(tmp_path: Path) -> None:
    """With a tenth of its weight."""
    settings: dict[str, Any] = {"ejection": {"failures": 1} | SOON, "slow_start": 3600}
    async with several(tmp_path, **settings) as two:
        first = two.servers[0]
        await first.kill()
        await two.becomes(first, "ejected")
        await first.start()
        await two.becomes(first, "starting")
        assert 0.1 <= two.target(first).share < 0.2
        assert two.target(two.servers[1]).share == 1


@pytest.mark.parametrize("one_url", [True, False])
async def test_an_open_breaker_refuses_requests_until_one_works(
    tmp_path: Path, one_url: bool
) -> None:
    """At once with 503, while no target is asked."""
    settings: dict[str, Any] = {"breaker": {"failures": 3, "time": 3600, "max_time": 3600}}
    if not one_url:
        settings["ejection"] = None
    async with several(tmp_path, 1 if one_url else 2, **settings) as few:
        for server in few.servers:
            server.upstream.handle = refuses
        breaker = few.balancer.breaker
        assert breaker
        while breaker.state.value == "closed":
            assert set(await few.ask()) == {502}
        assert await few.ask(3) == {503: 3}
        assert few.world.log()[-1]["reason"] == "upstream-breaker"
        assert any("circuit breaker is open" in line for line in few.world.health.current)
        breaker.until = 0
        for server in few.servers:
            server.upstream.handle = None
        assert await few.ask(3) == {200: 3}
        assert breaker.state.value == "closed"
        assert not few.world.health.current


async def test_requests_that_a_breaker_refuses_allow_no_other_to_be_sent_again(
    tmp_path: Path,
) -> None:
    """However many clients ask meanwhile: the budget is a share of what is sent."""
    breaker = {"failures": 3, "time": 3600, "max_time": 3600}
    retries = {"budget": 1, "min_per_second": 0}
    async with several(tmp_path, breaker=breaker, ejection=None, retries=retries) as two:
        for server in two.servers:
            server.upstream.handle = refuses
        circuit, budget = two.balancer.breaker, two.balancer.budget
        assert circuit
        while circuit.state.value == "closed":
            await two.ask()
        left = budget.left
        assert await two.ask(20) == {503: 20}
        assert budget.left == left


async def test_a_connection_that_is_old_or_has_carried_enough_is_not_used_again(
    tmp_path: Path,
) -> None:
    """`max_requests` and `max_age`."""
    async with several(tmp_path, 1, max_requests=2) as one:
        (server,) = one.servers
        connections = len(server.upstream.connections)
        assert await one.ask(6) == {200: 6}
        assert len(server.upstream.connections) == connections + 3
        await Reloading(one.world).set_upstream(max_requests=None, max_age=0.000001)
        assert await one.ask(1) == {200: 1}
        connections = len(server.upstream.connections)
        assert await one.ask(3) == {200: 3}
        assert len(server.upstream.connections) == connections + 3


async def test_a_reload_keeps_the_connections_and_the_state_of_targets_that_stay(
    tmp_path: Path,
) -> None:
    """A new one begins, and one that is gone gets nothing more."""
    ejection = {"failures": 1, "time": 3600, "max_time": 3600}
    async with several(tmp_path, 3, ejection=ejection) as all_:
        dead, stays, goes = all_.servers
        await dead.kill()
        await all_.becomes(dead, "ejected")
        pool = all_.target(stays).pool
        reloading = Reloading(all_.world)
        new = Server()
        await new.start()
        try:
            await reloading.set_upstream(targets=[dead.url, stays.url, new.url], queue=7)
            assert all_.target(stays).pool is pool
            assert pool.dial.queue == 7
            assert [each.state for each in all_.balancer.targets] == ["ejected", "up", "up"]
            said = f"upstream default, target {dead.url}, gets no requests"
            assert any(line.startswith(said) for line in all_.world.health.current)
            before = goes.asked
            assert await all_.ask(20) == {200: 20}
            assert new.asked
            assert goes.asked == before
            await reloading.set(upstreams={"default": {"url": stays.url} | SLOW})
            assert all_.world.pool is pool
            assert await all_.ask(5) == {200: 5}
            targets = [new.url, stays.url]
            await reloading.set(upstreams={"default": {"targets": targets} | SLOW})
            assert all_.target(stays).pool is pool
            assert await all_.ask(5) == {200: 5}
            health = all_.world.health.current
            assert not any(dead.url in line for line in health)
        finally:
            await new.kill()


async def test_an_ejected_target_is_tried_again_after_a_reload_too(tmp_path: Path) -> None:
    """Also where that comes before the first step of a trial."""
    async with several(tmp_path, 2, ejection={"failures": 1} | SOON) as two:
        first = two.servers[0]
        await first.kill()
        await two.becomes(first, "ejected")
        circuit = two.target(first).circuit
        assert circuit
        await until(lambda: circuit.is_due(time.monotonic()))
        two.balancer.tick()
        two.balancer.start()
        await first.start()
        await two.becomes(first, "up")


async def test_a_request_that_waits_is_served_after_a_reload(tmp_path: Path) -> None:
    """By a target of the new configuration, where that has room."""
    async with several(tmp_path, 2, max_connections=1) as two:
        held = asyncio.Event()

        async def holds(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await reader.readuntil(b"\r\n\r\n"):
                await held.wait()
                writer.write(OK)

        for server in two.servers:
            server.upstream.handle = holds
        asking = [asyncio.create_task(two.ask()) for _ in range(3)]
        await until(lambda: len(two.balancer._waiting) == 1)
        new = Server()
        await new.start()
        try:
            await Reloading(two.world).set_upstream(targets=[two.servers[0].url, new.url])
            await until(lambda: new.asked == 1)
            held.set()
            assert sum(await asyncio.gather(*asking), Counter()) == {200: 3}
        finally:
            await new.kill()


async def test_a_tunnel_opens_through_a_target(tmp_path: Path) -> None:
    """And counts as a request of it."""
    async with several(tmp_path) as two:
        for server in two.servers:
            server.upstream.respond = lambda _: (
                b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
            )
        offer = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Key: x")
        reader, writer = await asyncio.open_connection("127.0.0.1", two.world.port)
        writer.write(two.world.request(b"/v1/projects/a/x", *offer, close=False))
        assert status(await reader.readuntil(b"\r\n\r\n")) == 101
        assert sum(each.load for each in two.balancer.targets) == 1
        assert sum(each.pool.tunnels for each in two.balancer.targets) == 1
        writer.close()
        await until(lambda: not any(each.load for each in two.balancer.targets))


async def test_a_target_that_flaps_fails_no_request_that_may_be_sent_again(
    tmp_path: Path,
) -> None:
    """It goes and comes while requests are in progress."""
    async with several(tmp_path, 3, ejection={"failures": 2} | SOON) as three:
        await _flap(three)
        assert {line["status"] for line in three.world.log()} == {200}


async def _flap(several_: Several) -> None:
    for _ in range(4):
        asking = [asyncio.create_task(several_.ask(5)) for _ in range(5)]
        await asyncio.sleep(0)
        await several_.servers[0].kill()
        await asyncio.gather(*asking)
        asking = [asyncio.create_task(several_.ask(5)) for _ in range(5)]
        await several_.servers[0].start()
        several_.balancer.tick()
        await asyncio.gather(*asking)
