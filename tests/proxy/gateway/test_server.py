"""The gateway as a whole: how it stops, and that one connection's fault is not another's."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path

import pytest

from proxy.domain.usage import HOUR, UsageQuery
from proxy.gateway.downstream import Downstream
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


async def test_a_request_that_outlasts_the_drain_timeout_is_logged_as_shutting_down(
    tmp_path: Path,
) -> None:
    """It was not the client who left."""
    async with running_world(tmp_path, limits={"drain_timeout": 0}) as world:
        begun = asyncio.Event()

        async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            begun.set()
            await reader.read()

        world.upstream.handle = silent
        asking = asyncio.ensure_future(world.send(world.request(close=False)))
        await begun.wait()
        await world.node.gateway.stop()
        with suppress(ConnectionError):
            await asking
        lines = [json.loads(line) for line in world.log_file.read_bytes().splitlines()]
        assert [line["reason"] for line in lines] == ["shutting-down"]


async def test_a_gateway_that_stops_has_logged_and_counted_all_requests(tmp_path: Path) -> None:
    """Also those that are counted with others, later than they end."""
    async with running_world(tmp_path) as world:
        await world.repeat(5)
        await world.node.gateway.stop()
        assert len(world.log_file.read_bytes().splitlines()) == 5
        rows = await world.store.sum_usage(UsageQuery(0, world.node.gateway.wall + HOUR))
        assert [row.requests for row in rows] == [5]


async def test_a_connection_that_cannot_be_checked_is_reset_and_the_others_are_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault in one exchange must keep no deadline and no revocation from the others."""
    async with running_world(tmp_path) as world:
        world.stop_clock()
        readers = []
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
            writer.write(world.request(close=False))
            await reader.readuntil(b"\r\n\r\nok")
            readers.append((reader, writer))
        first, *others = world.node.gateway.admission.connections
        assert isinstance(first, Downstream)
        monkeypatch.setattr(first, "_handler", Faulty())
        world.pass_time(1000)
        for reader, writer in readers:  # the faulty one by a reset, the others by their deadline
            with suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), PATIENCE) == b""
            writer.close()
    assert len(others) == 2
    assert [record.message for record in caplog.records if record.exc_info] == [
        "a connection is reset: its deadlines could not be checked"
    ]


class Faulty:
    """What no request handler is."""

    wants_body = request_sent = False

    def tick(self, _now: float) -> None:
        raise RuntimeError("a fault")

    def client_lost(self) -> None: ...
