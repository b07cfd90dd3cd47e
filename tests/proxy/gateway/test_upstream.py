"""A connection to an upstream is used again only where nothing is left of the request before."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.gateway.transport import PEER
from tests.harness import running_world
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
    (pool,) = line.world.node.gateway.runtime.pools.values()
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
