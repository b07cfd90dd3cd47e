"""A connection whose requests repeat notices the time, and that the gateway stops."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.harness import running_world, until
from tests.patience import PATIENCE


async def test_each_answer_has_the_date_of_its_second(tmp_path: Path) -> None:
    """The upstream of these tests says none, so the gateway does."""
    async with running_world(tmp_path) as world:
        gateway, asked = world.node.gateway, world.request(close=False)
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        for _ in range(2):
            for _ in range(4):
                writer.write(asked)
                date = gateway.date
                answer = await reader.readuntil(b"\r\n\r\nok")
                assert b"\r\nDate: %b\r\n" % date in answer or date != gateway.date
            await until(lambda date=date: gateway.date != date)  # type: ignore[misc]
        writer.close()


async def test_the_next_answer_is_the_last_one_once_the_gateway_stops(tmp_path: Path) -> None:
    """It says so, and the connection ends."""
    async with running_world(tmp_path) as world:
        asked = world.request(close=False)
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        for _ in range(4):
            writer.write(asked)
            await reader.readuntil(b"\r\n\r\nok")
        stopping = asyncio.ensure_future(world.node.gateway.stop(replaced=True))
        await asyncio.sleep(0)
        writer.write(asked)
        assert b"\r\nConnection: close\r\n" in await reader.read()
        writer.close()
        await asyncio.wait_for(stopping, PATIENCE)
