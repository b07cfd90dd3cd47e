"""Slow clients: each is closed in time, and no other client waits for them."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from tests.harness import OK, RecordingUpstream, World, running_world, status, until
from tests.load.crowd import CROWD, others_are_served
from tests.patience import PATIENCE

QUICK = {
    "head_timeout": 6.0,  # the client that must be served, by the same event loop, keeps to it too
    "keepalive_timeout": 1.0,
    "body_idle_timeout": 1.0,
    "stalled_reader_timeout": 1.0,
}
MANY = 150

BEGUN = b"GET /v1/projects/a/x HTTP/1.1\r\nHost: gateway\r\nX-Slow: "


async def drip(world: World, begin: bytes, *, forever: bytes = b"") -> bytes:
    """The answer to a client that sends `begin`, and then `forever` again and again, or nothing."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port, local_addr=(CROWD, 0))

    async def go_on() -> None:
        while forever and not writer.is_closing():
            writer.write(forever)
            await asyncio.sleep(0.1)

    writer.write(begin)
    dripping = asyncio.ensure_future(go_on())
    received = b""
    try:
        async with asyncio.timeout(PATIENCE):
            while data := await reader.read(1000):
                received += data
    except ConnectionError:
        pass  # it went on sending to a closed connection
    dripping.cancel()
    writer.transport.abort()
    return received


async def settled(world: World) -> None:
    """Wait until all clients are gone, and no connection to the upstream carries a request."""
    gateway, inside = world.node.gateway, world.inside
    await until(lambda: not gateway.connected and len(inside.upstream) <= inside.idle)


HEADS = [
    (b"", b""),
    (b"GET /v1/proj", b""),
    (b"", b"G"),
    (BEGUN, b"x"),
    (BEGUN + b"x", b"\r\nX-Slow: x"),
]
"""(how a head begins, what is sent after it again and again)"""


async def test_a_slow_head_gets_408(tmp_path: Path) -> None:
    """A connection has a fixed time for a head, whether any of the head comes or not."""
    async with running_world(tmp_path, limits=QUICK) as world, others_are_served(world):
        crowd = [
            drip(world, begin, forever=more) for begin, more in HEADS for _ in range(MANY // 3)
        ]
        assert {status(answer) for answer in await asyncio.gather(*crowd)} == {408}
        await settled(world)
    assert not any(b"X-Slow" in request for request in world.upstream.requests)


async def test_a_slow_head_behind_an_answer_gets_408(tmp_path: Path) -> None:
    """The second head on a connection has no more time than the first."""
    async with running_world(tmp_path, limits=QUICK) as world, others_are_served(world):
        first = world.request(close=False)
        crowd = (drip(world, first + BEGUN, forever=b"x") for _ in range(20))
        answers = await asyncio.gather(*crowd)
        assert {answer.count(b"HTTP/1.1 200 ") for answer in answers} == {1}
        assert {answer.count(b"HTTP/1.1 408 ") for answer in answers} == {1}


@pytest.mark.parametrize("forever", [b"", b"1"], ids=["silent", "dripped"])
async def test_a_slow_body_gets_408(tmp_path: Path, forever: bytes) -> None:
    """One limit is on silence, the other on the rate. The upstream gets no whole request."""
    limits = QUICK | {"body_idle_timeout": PATIENCE if forever else 1.0}
    async with running_world(tmp_path, limits=limits) as world, others_are_served(world):
        world.allow_clients(body_window=1.0)
        path, chunk = b"/v1/projects/a/slow", b"1\r\nx\r\n"
        counted = world.request(path, b"Content-Length: 1000000", method=b"POST")
        chunked = world.request(path, b"Transfer-Encoding: chunked", method=b"POST") + chunk
        crowd = [drip(world, counted, forever=forever) for _ in range(MANY // 2)]
        crowd += [drip(world, chunked, forever=forever and chunk) for _ in range(MANY // 2)]
        assert {status(answer) for answer in await asyncio.gather(*crowd)} == {408}
        await settled(world)
        reasons = [line["reason"] for line in world.log() if line["path"].endswith("slow")]
        assert reasons == ["body-slow" if forever else "body-idle"] * MANY
    assert not any(request.startswith(b"POST") for request in world.upstream.requests)


async def test_a_body_that_keeps_its_rate_may_take_its_time(tmp_path: Path) -> None:
    """However many windows pass in which its rate is measured."""
    async with running_world(tmp_path) as world:
        world.stop_clock()
        world.allow_clients(body_window=1.0)
        pieces, piece = 5, b"x" * int(world.node.gateway.runtime.timeouts.body_min_rate)
        length = b"Content-Length: %d" % (pieces * len(piece))
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(world.request(b"/v1/projects/a/x", length, method=b"POST"))
        for number in range(1, pieces + 1):
            writer.write(piece)
            await until(lambda: world.upstream.seen.count(b"xx") * 2 >= number * len(piece))  # noqa: B023
            world.pass_time(1.0)
        assert status(await reader.read()) == 200
        writer.close()


async def ask_and_not_read(world: World, raw: bytes) -> socket.socket:
    """A client that sends a request and does not read the answer."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, ("127.0.0.1", world.port))
    await loop.sock_sendall(client, raw)
    return client


async def test_clients_that_do_not_read_are_closed(tmp_path: Path) -> None:
    """Little of their answers is held in memory, and their connections to the upstream are free
    again."""
    size = 8_000_000
    large = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (size, b"x" * size)
    upstream = RecordingUpstream(lambda request: large if b"/large" in request else OK)
    async with running_world(tmp_path, upstream, limits=QUICK) as world, others_are_served(world):
        raw = world.request(b"/v1/projects/a/large")
        clients = [await ask_and_not_read(world, raw) for _ in range(40)]
        most = ended = 0
        async with asyncio.timeout(PATIENCE):
            while ended < len(clients):
                most = max(most, *world.inside.unsent, 0)
                ended = sum(line["path"].endswith("large") for line in world.log())
                await asyncio.sleep(0.05)
        assert 0 < most < 1_000_000
        await settled(world)
        reasons = {line.get("reason") for line in world.log() if line["path"].endswith("large")}
        assert reasons == {"client-stalled"}
        for client in clients:
            client.close()


async def test_no_deadline_comes_early(tmp_path: Path) -> None:
    """The clock of connections ticks once a second: a connection that comes just before a tick has
    the time of the tick before, almost a second too early."""
    async with running_world(tmp_path) as world:
        gateway = world.node.gateway
        world.stop_clock()
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        await until(lambda: gateway.connected == 1)
        began = gateway.now + 0.99
        gateway.end_what_is_over(began + gateway.runtime.timeouts.head - 0.01)
        assert not gateway.telemetry.latencies
        gateway.end_what_is_over(began + gateway.runtime.timeouts.head + 0.011)
        assert status(await asyncio.wait_for(reader.read(), PATIENCE)) == 408
        writer.close()
