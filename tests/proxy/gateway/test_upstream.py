"""A connection to an upstream is used again only where nothing is left of the request before."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.gateway.transport import PEER
from tests.harness import OK, running_world, until
from tests.test_budget_of_calls import Line


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    """A client and an upstream on either side of a real gateway, without sockets."""
    async with running_world(tmp_path, dial={"reuse": "always"}) as world:
        line = Line(world)
        yield line
        line.downstream.connection_lost(None)


@pytest.mark.parametrize("reads", [True, False])
async def test_an_upstream_that_has_not_read_a_request_gets_no_second_one(
    line: Line, reads: bool
) -> None:
    """Its transport would take all of that, however much it is, and stop no client."""
    await line.warm()
    pool = line.world.pool
    line.upstream.writes.clear()
    head = line.world.request(
        b"/v1/projects/a/x", b"Content-Length: 4", method=b"POST", close=False
    )
    line.downstream.data_received(head + b"body")
    line.connection.pause_writing()
    if reads:
        line.connection.resume_writing()
    line.connection.data_received(line.answer(0))
    assert line.upstream.ended != reads
    assert pool._idle == ([line.connection] if reads else [])


async def test_a_tunnel_to_an_upstream_that_has_not_read_its_request_stops_the_client(
    line: Line,
) -> None:
    """The transport says that it is full once: before there was a tunnel to hear it."""
    await line.warm()
    offer = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Key: x")
    line.downstream.data_received(line.world.request(b"/v1/projects/a/x", *offer, close=False))
    line.connection.pause_writing()
    line.connection.data_received(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    )
    assert line.downstream._flow.holds & PEER
    line.connection.resume_writing()
    assert not line.downstream._flow.holds & PEER


@pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="Linux alone has it")
@pytest.mark.parametrize(
    ("piece", "at_once"),
    [
        (b"HTTP/1.1 200 OK\r\n", True),
        (OK.removesuffix(b"ok"), True),
        (OK.removesuffix(b"k"), True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n" + b"x" * 20_000, False),
        (OK, False),
    ],
)
async def test_a_short_piece_of_a_response_is_acknowledged_at_once(
    tmp_path: Path, piece: bytes, at_once: bool
) -> None:
    """The upstream may hold back the rest until then. A whole response costs no system call."""

    async def hear(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with running_world(tmp_path) as world:
        world.upstream.handle = hear
        _, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(world.request())
        await until(lambda: any(map(world.inside.carries, world.inside.upstream)))
        (connection,) = world.inside.upstream
        sock = connection.transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
        connection.data_received(piece)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK) == at_once
        writer.close()
