"""What lasts, a tunnel or a request that waits, keeps no target and no other request waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.harness import OK, status, until
from tests.proxy.gateway.several import Server, Several, several
from tests.proxy.gateway.test_balancer import refuses
from tests.reloading import Reloading

LONG = {"failures": 3, "time": 3600, "max_time": 3600}
OFFER = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Key: x")


def switches(request: bytes) -> bytes:
    """Opens a tunnel where one is asked for."""
    if b"Upgrade: websocket" in request:
        return b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    return OK


@asynccontextmanager
async def tunnel(few: Several) -> AsyncIterator[Server]:
    """An open tunnel. The server that it leads to."""
    for server in few.servers:
        server.upstream.respond = switches
    reader, writer = await asyncio.open_connection("127.0.0.1", few.world.port)
    writer.write(few.world.request(b"/v1/projects/a/x", *OFFER, close=False))
    assert status(await reader.readuntil(b"\r\n\r\n")) == 101
    (server,) = (each for each in few.servers if few.target(each).pool.tunnels)
    try:
        yield server
    finally:
        writer.close()


async def test_a_half_open_breaker_is_tried_while_a_tunnel_is_open(tmp_path: Path) -> None:
    """The tunnel began before it opened, and may last for days."""
    async with (
        several(tmp_path, breaker=LONG, ejection=None) as two,
        tunnel(two),
    ):
        for server in two.servers:
            server.upstream.handle = refuses
        for each in two.balancer.targets:
            each.pool.close()
        breaker = two.balancer.breaker
        assert breaker
        while breaker.state.value == "closed":
            await two.ask()
        assert await two.ask() == {503: 1}
        breaker.until = 0
        for server in two.servers:
            server.upstream.handle = None
        assert await two.ask(3) == {200: 3}


async def test_an_ejected_target_is_tried_while_a_tunnel_to_it_is_open(tmp_path: Path) -> None:
    """It gets a request, and is in use again."""
    settings: dict[str, Any] = {"balance": "round_robin", "ejection": LONG}
    async with several(tmp_path, **settings) as two, tunnel(two) as server:
        server.upstream.handle = refuses
        target = two.target(server)
        target.pool.close()
        await two.becomes(server, "ejected")
        server.upstream.handle = None
        assert target.circuit is not None
        target.circuit.until = 0
        await two.becomes(server, "up")
        assert target.pool.tunnels == 1


async def test_a_request_that_waits_is_served_where_nothing_is_left_of_the_targets(
    tmp_path: Path,
) -> None:
    """A reload leads to another server: what began before goes on with the old ones."""
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
            upstream = {"url": new.url, "connect_timeout": 20, "keepalive_timeout": 60}
            await Reloading(two.world).set(upstreams={"default": upstream})
            held.set()
            done = await asyncio.wait_for(asyncio.gather(*asking), 30)
            assert [dict(each) for each in done] == [{200: 1}] * 3
        finally:
            await new.kill()


async def test_a_second_attempt_does_not_wait_for_an_idle_connection_to_end(
    tmp_path: Path,
) -> None:
    """It wants a new one, for which the idle one makes room."""
    settings: dict[str, Any] = {"max_connections": 1, "keepalive_timeout": 3600}
    async with several(tmp_path, balance="round_robin", ejection=None, **settings) as two:
        assert await two.ask(2) == {200: 2}
        first, second = two.servers
        await until(lambda: all(len(each.pool._idle) == 1 for each in two.balancer.targets))
        first.upstream.handle = refuses
        two.target(first).pool.close()
        before = second.asked
        async with asyncio.timeout(30):
            assert await two.ask(2) == {200: 2}
        assert second.asked == before + 2
