"""The gateway as a whole: how it stops."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.harness import OK, running_world, status
from tests.patience import PATIENCE


async def test_a_stopping_gateway_finishes_the_requests_under_way(tmp_path: Path) -> None:
    """Idle connections end at once, a request under way gets its response, and no connection is
    accepted any more."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        begun.set()
        await go_on.wait()
        writer.write(OK)
        await writer.drain()

    async with running_world(tmp_path, limits={"drain_timeout": PATIENCE}) as world:
        world.upstream.handle = slow
        idle, idle_writer = await asyncio.open_connection("127.0.0.1", world.port)
        asking = asyncio.ensure_future(world.send(world.request(close=False)))
        await begun.wait()
        stopping = asyncio.ensure_future(world.node.gateway.stop())
        assert await idle.read() == b""
        idle_writer.close()
        with pytest.raises(OSError, match="Connect"):
            await asyncio.open_connection("127.0.0.1", world.port)
        go_on.set()
        answer = await asking
        assert status(answer) == 200
        assert b"\r\nConnection: close\r\n" in answer
        await stopping
