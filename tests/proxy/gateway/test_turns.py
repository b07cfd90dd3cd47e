"""Turns: one connection with much to read does not hold up the others."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest

from proxy.gateway.transport import PEER
from tests.harness import OK, World, dechunk, running_world, status, until
from tests.patience import PATIENCE

TINY = b"1\r\nx\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_other_clients_are_served_during_a_flood_of_refusals(tmp_path: Path) -> None:
    """Another client gets its responses before all of the flood is refused."""
    async with running_world(tmp_path) as world:
        tiny = b"GET / HTTP/1.1\r\nHost:h\r\n\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        refused = 0
        assert status(await world.send(world.request())) == 200  # and its key is known from now on

        async def flood() -> None:
            nonlocal refused
            while data := await reader.read(1 << 20):
                refused += data.count(b"HTTP/1.1 401 ")

        writer.write(tiny * 20_000)
        flooding = asyncio.ensure_future(flood())
        for _ in range(3):
            assert status(await world.send(world.request())) == 200
        assert refused < 20_000
        writer.transport.abort()
        with suppress(ConnectionError):
            await flooding


async def test_a_turn_takes_fewer_heads_if_they_are_large(tmp_path: Path) -> None:
    """A turn takes a number of bytes, not of heads."""
    large = b"GET /" + b"%41" * 2500 + b" HTTP/1.1\r\nHost:h\r\n\r\n"
    async with running_world(tmp_path) as world:
        _, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(large * 100)
        latencies, turns = world.node.gateway.telemetry.latencies, [0]
        async with asyncio.timeout(PATIENCE):
            while turns[-1] < 100:
                await asyncio.sleep(0)
                turns.append(sum(each.count for each in latencies.values()))
        assert max(after - before for before, after in pairwise(turns)) <= 6  # two turns may pass
        writer.transport.abort()


async def test_a_request_body_in_tiny_chunks_arrives_whole(tmp_path: Path) -> None:
    """It is decoded in turns, however much arrives at once; the next request follows."""
    async with running_world(tmp_path) as world:
        head = world.request(
            b"/v1/projects/a/x", b"Transfer-Encoding: chunked", method=b"POST", close=False
        )
        body = b"1\r\nZ\r\n" * 100_000 + b"0\r\n\r\n"
        answer = await world.send(head + body + world.request())
        assert answer.count(b"HTTP/1.1 200") == 2
        first, second = world.upstream.requests
        assert first.partition(b"\r\n\r\n")[2].count(b"Z") == 100_000
        assert first.endswith(b"0\r\n\r\n")
        assert second.startswith(b"GET ")


async def test_other_clients_are_served_during_a_response_in_tiny_chunks(tmp_path: Path) -> None:
    """Another client gets its responses before all of that response has passed."""
    answer = CHUNKED + TINY * 300_000 + b"0\r\n\r\n"
    async with running_world(tmp_path) as world:
        world.upstream.respond = lambda request: OK if b"/b/" in request else answer
        ask = world.request(b"/v1/projects/b/x", pair=world.key_b)
        assert status(await world.send(ask)) == 200  # and its key is known from now on
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(world.request(close=False))
        said = await reader.read(1)

        async def listen() -> None:
            nonlocal said
            while not said.endswith(b"\r\n0\r\n\r\n"):
                said += await reader.read(1 << 20)

        listening = asyncio.ensure_future(listen())
        for _ in range(3):
            assert status(await world.send(ask)) == 200
        assert not listening.done()
        await asyncio.wait_for(listening, PATIENCE)
        assert dechunk(said.partition(b"\r\n\r\n")[2]) == b"x" * 300_000
        writer.transport.abort()


@pytest.mark.parametrize("slowly", [False, True])
async def test_a_response_in_tiny_chunks_arrives_whole(tmp_path: Path, slowly: bool) -> None:
    """It does so also if the client reads slowly; and the upstream's connection is used again."""
    large = b"x" * 65_536
    answer = CHUNKED + (b"10000\r\n" + large + b"\r\n" + TINY * 3000) * 100 + b"0\r\n\r\n"
    async with running_world(tmp_path) as world:
        world.upstream.respond = lambda _request: answer
        for times in (1, 2):
            reader, writer = await asyncio.open_connection("127.0.0.1", world.port, limit=65536)
            writer.write(world.request())
            if slowly:
                await until_held(world)
            said = await asyncio.wait_for(reader.read(), PATIENCE)
            assert dechunk(said.partition(b"\r\n\r\n")[2]) == (large + b"x" * 3000) * 100
            assert len(world.upstream.requests) == times
            assert sum(map(bool, world.upstream.connections)) == 1
            writer.close()


async def until_held(world: World) -> None:
    """Wait until a connection to the upstream is not read because its client does not read."""
    pool = world.pool
    await until(lambda: any(each.flow.holds & PEER for each in pool._open))
