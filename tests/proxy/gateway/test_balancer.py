"""Several targets behind one upstream: real servers that die, hang, flap and are full."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.harness import OK, status, until
from tests.proxy.gateway.several import Server, several

SOON = {"time": 0.01, "max_time": 0.02}
"""How long an ejection lasts, in seconds."""


async def refuses(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that reads a request, and closes."""
    await reader.readuntil(b"\r\n\r\n")


async def hangs(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """A server that reads a request, and does nothing."""
    await reader.read()


async def test_requests_are_spread_over_all_targets_by_weight(tmp_path: Path) -> None:
    """In turn, a quarter and three quarters of them."""
    each = [{}, {"weight": 3}]
    async with several(tmp_path, balance="round_robin", each=each) as two:
        assert await two.ask(40) == {200: 40}
        assert [server.asked for server in two.servers] == [10, 30]
        assert two.states() == ["up", "up"]


async def test_the_requests_of_one_key_go_to_one_target(tmp_path: Path) -> None:
    """Those of another key may go to another."""
    async with several(tmp_path, 4, balance="hash") as four:
        world = four.world
        for pair in (world.key_a, world.user, world.admin):
            before = [server.asked for server in four.servers]
            assert await four.ask(5, pair=pair) == {200: 5}
            now = [server.asked - old for server, old in zip(four.servers, before, strict=True)]
            assert sorted(now) == [0, 0, 0, 5]


async def test_a_target_that_is_killed_fails_no_request(tmp_path: Path) -> None:
    """Its requests go to another target, it is ejected, and it is used again once it is back."""
    async with several(tmp_path, 3, ejection={"failures": 2} | SOON) as three:
        first = three.servers[0]
        await three.ask(10)
        await first.kill()
        await three.becomes(first, "ejected")
        target = three.target(first)
        assert "Connection refused" in target.why
        assert {line["status"] for line in three.world.log()} == {200}
        assert any("gets no requests" in line for line in three.world.health.current)
        first.upstream.requests.clear()
        await first.start()
        await three.becomes(first, "up")
        await three.becomes(first, "up")
        while not first.asked:
            await three.ask()
        assert {line["status"] for line in three.world.log()} == {200}
        assert not any("gets no requests" in line for line in three.world.health.current)


async def test_a_target_comes_back_where_no_request_can_be_sent_twice(tmp_path: Path) -> None:
    """After it could be connected to, and some time without a request to try it with."""
    async with several(tmp_path, 2, ejection={"failures": 1} | SOON) as two:
        first = two.servers[0]
        await first.kill()
        while two.target(first).state != "ejected":
            assert await two.ask(method=b"POST") == {200: 1}
        await first.start()
        while two.target(first).state != "up":
            two.balancer.tick()
            assert await two.ask(method=b"POST") == {200: 1}


@pytest.mark.parametrize("method", [b"POST", b"PATCH", b"GET"])
async def test_a_request_that_no_target_got_is_sent_to_another_whatever_it_is(
    tmp_path: Path, method: bytes
) -> None:
    """With its body, of which nothing was sent."""
    async with several(tmp_path, ejection=None) as two:
        dead, alive = two.servers
        await dead.kill()
        length = b"Content-Length: 4"
        for _ in range(8):
            raw = two.world.request(b"/v1/projects/a/x", length, method=method) + b"body"
            assert status(await two.world.send(raw)) == 200
        assert alive.asked == 8
        assert all(request.endswith(b"body") for request in alive.upstream.requests)
        assert not any(line.get("retried") for line in two.world.log())


async def test_a_target_that_takes_requests_and_closes_fails_only_those_that_may_act(
    tmp_path: Path,
) -> None:
    """A GET is sent to another target. A POST may have acted, and is a 502."""
    async with several(tmp_path, balance="round_robin", ejection=None) as two:
        two.servers[0].upstream.handle = refuses
        assert await two.ask(6) == {200: 6}
        assert sum(line.get("retried", False) for line in two.world.log()) == 3
        assert await two.ask(6, method=b"POST") == {200: 3, 502: 3}
        assert two.balancer.retries == 3


async def test_a_target_that_hangs_is_left_for_another_one(tmp_path: Path) -> None:
    """After `first_byte_timeout`; then it is ejected."""
    settings: dict[str, Any] = {
        "first_byte_timeout": 0.3,
        "balance": "round_robin",
        "ejection": {"failures": 1},
    }
    async with several(tmp_path, **settings) as two:
        hung = two.servers[0]
        hung.upstream.handle = hangs
        assert await two.ask(3) == {200: 3}
        assert two.target(hung).state == "ejected"
        assert two.target(hung).why == "upstream-timeout"


async def test_a_target_that_has_much_to_do_gets_less(tmp_path: Path) -> None:
    """While one holds its answers, the other gets all requests."""
    async with several(tmp_path) as two:
        slow, fast = two.servers
        held = asyncio.Event()

        async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                slow.upstream.requests.append(await reader.readuntil(b"\r\n\r\n"))
                await held.wait()
                writer.write(OK)

        slow.upstream.handle = wait
        asking = []
        while not slow.asked:
            asking.append(asyncio.create_task(two.ask()))
            await until(lambda: slow.asked + fast.asked >= len(asking))
        assert await two.ask(20) == {200: 20}
        assert slow.asked == 1
        held.set()
        assert sum(await asyncio.gather(*asking), Counter()) == {200: len(asking)}


async def test_a_request_that_failed_on_the_only_target_with_room_waits_for_another_one(
    tmp_path: Path,
) -> None:
    """It does not turn in circles before the one that it has tried, and others go ahead there."""
    async with several(tmp_path, each=[{"max_connections": 1}] * 2, ejection=None) as two:
        busy, bad = two.servers
        held, come = asyncio.Event(), asyncio.Event()

        async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                busy.upstream.requests.append(await reader.readuntil(b"\r\n\r\n"))
                come.set()
                await held.wait()
                writer.write(OK)

        busy.upstream.handle = wait
        asking = []
        while not come.is_set():
            asking.append(asyncio.create_task(two.ask()))
            await until(lambda: come.is_set() or bad.asked >= len(asking))
        bad.upstream.handle = refuses
        two.target(bad).pool.close()
        failed = asyncio.create_task(two.ask())
        await until(lambda: two.balancer.retries == 1)
        assert await two.ask(method=b"POST") == {502: 1}
        assert not failed.done()
        held.set()
        assert await failed == {200: 1}
        assert sum(await asyncio.gather(*asking), Counter()) == {200: len(asking)}


async def test_no_more_than_half_of_the_targets_are_ejected(tmp_path: Path) -> None:
    """However many fail; and then requests are still tried."""
    async with several(tmp_path, 3, ejection={"failures": 1}) as three:
        for server in three.servers:
            server.upstream.handle = refuses
        statuses = await three.ask(20)
        assert set(statuses) == {502}
        assert sorted(three.states()) == ["ejected", "up", "up"]


async def test_requests_are_sent_again_only_within_the_budget(tmp_path: Path) -> None:
    """With a budget of nothing, none is."""
    retries = {"budget": 0, "min_per_second": 0}
    async with several(tmp_path, balance="round_robin", ejection=None, retries=retries) as two:
        two.servers[0].upstream.handle = refuses
        assert await two.ask(8) == {200: 4, 502: 4}


async def test_statuses_that_are_listed_count_as_failures(tmp_path: Path) -> None:
    """The answers are passed on; after some, the target is ejected."""
    ejection = {"failures": 3, "statuses": [503]}
    async with several(tmp_path, balance="round_robin", ejection=ejection) as two:
        two.servers[0].upstream.respond = lambda _: b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n"
        two.servers[1].upstream.respond = lambda _: b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n"
        assert await two.ask(20) == {503: 3, 500: 17}
        assert two.states() == ["ejected", "up"]


async def test_requests_beyond_the_connections_of_a_target_go_to_others_or_wait(
    tmp_path: Path,
) -> None:
    """Whichever target is free first takes the next one that waits."""
    async with several(tmp_path, max_connections=1) as two:
        release = [asyncio.Event(), asyncio.Event()]

        def holds(server: Server, event: asyncio.Event) -> None:
            async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                while True:
                    server.upstream.requests.append(await reader.readuntil(b"\r\n\r\n"))
                    await event.wait()
                    writer.write(OK)

            server.upstream.handle = handle

        for server, event in zip(two.servers, release, strict=True):
            holds(server, event)
        asking = [asyncio.create_task(two.ask()) for _ in range(6)]
        await until(lambda: [server.asked for server in two.servers] == [1, 1])
        await until(lambda: len(two.balancer._waiting) == 4)
        release[0].set()
        await until(lambda: [server.asked for server in two.servers] == [5, 1])
        release[1].set()
        assert sum(await asyncio.gather(*asking), Counter()) == {200: 6}


NUMBER = re.compile(rb"\r\nX-Number: (\d+)\r\n")


@pytest.mark.parametrize("seed", range(3))
async def test_a_request_that_may_act_reaches_one_target_once_whatever_the_targets_do(
    tmp_path: Path, seed: int
) -> None:
    """They close, reset, answer half or nothing, in any order, and one is killed and comes back."""
    dice = random.Random(seed)
    seen: Counter[int] = Counter()
    settings: dict[str, Any] = {
        "ejection": {"failures": 3} | SOON,
        "retries": {"min_per_second": 1000},
    }
    async with several(tmp_path, 3, **settings) as three:

        async def fickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while head := await reader.readuntil(b"\r\n\r\n"):
                number = NUMBER.search(head)
                assert number
                seen[int(number[1])] += 1
                match dice.randrange(8):
                    case 0:
                        return
                    case 1:
                        writer.transport.abort()
                        return
                    case 2:
                        writer.write(OK[:20])
                        return
                    case 3:
                        writer.write(OK[:-1])
                        return
                    case _:
                        writer.write(OK)

        for server in three.servers:
            server.upstream.handle = fickle
        methods = [dice.choice([b"GET", b"POST", b"PUT", b"DELETE", b"HEAD"]) for _ in range(150)]

        async def ask(number: int, method: bytes) -> None:
            line = b"X-Number: %d" % number
            await three.world.receive(three.world.request(b"/v1/projects/a/x", line, method=method))

        for begin in range(0, len(methods), 10):
            await asyncio.gather(
                *(
                    ask(begin + place, each)
                    for place, each in enumerate(methods[begin : begin + 10])
                )
            )
            three.balancer.tick()
            if begin == 50:
                await three.servers[0].kill()
            if begin == 100:
                await three.servers[0].start()
        for number, method in enumerate(methods):
            assert seen[number] <= (3 if method in {b"GET", b"HEAD"} else 1), method
        assert three.balancer.retries
