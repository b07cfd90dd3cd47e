"""Deadlines: what waits too long, for the client or for the upstream, is ended with its status."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from proxy.gateway.admission import Connection
from proxy.gateway.downstream import Downstream
from proxy.gateway.exchange import Exchange
from tests.harness import OK, World, alter, running_world, status, until
from tests.patience import PATIENCE

SOON = 0.5
"""Seconds of a timeout that is waited for. The clock ticks once a second: it may come at once."""


@pytest.mark.parametrize(
    ("sent", "expected"),
    [(b"", 408), (b"GET / HTTP/1.1\r\nHost:", 408), (b"GET /x\r\n", 400), (b"\r\n", 408)],
)
async def test_a_head_that_stays_incomplete_is_refused(
    tmp_path: Path, sent: bytes, expected: int
) -> None:
    """It gets 408, or 400 as soon as it is malformed, and the connection is closed."""
    limits = {"head_timeout": SOON} if expected == 408 else {}
    async with running_world(tmp_path, limits=limits) as world:
        assert status(await world.send(sent)) == expected


async def test_an_idle_connection_is_closed_without_a_response(tmp_path: Path) -> None:
    """A 408 could be taken for the response to the next request."""
    async with running_world(tmp_path, limits={"keepalive_timeout": SOON}) as world:
        answer = await world.send(world.request(close=False))
        assert status(answer) == 200
        assert answer.count(b"HTTP/1.1 ") == 1


async def test_a_body_that_stops_is_a_408_and_never_complete_upstream(tmp_path: Path) -> None:
    """The connection to the upstream is cut."""
    async with running_world(tmp_path) as world:
        raw = world.request(b"/v1/projects/a/x", b"Content-Length: 10", method=b"POST")
        asking = asyncio.ensure_future(world.send(raw + b"half"))
        await until(lambda: world.upstream.seen.endswith(b"half"))
        world.allow_clients(body_idle=SOON)
        assert status(await asking) == 408
        assert world.upstream.requests == []
        assert world.upstream.seen.endswith(b"half")


async def test_a_slow_body_is_cut_even_if_its_response_has_begun(tmp_path: Path) -> None:
    """The rate of a body is limited even while its response goes on."""

    async def chatty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1\r\nx\r\n")
            await writer.drain()
            await asyncio.sleep(0.1)

    async with running_world(tmp_path) as world:
        world.upstream.handle = chatty
        raw = world.request(b"/v1/projects/a/x", b"Content-Length: 10", method=b"POST")
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(raw + b"1")
        said = await reader.readuntil(b"\r\n\r\n")
        assert status(said) == 200
        world.allow_clients(body_window=0.2)
        with suppress(ConnectionError):
            while data := await asyncio.wait_for(reader.read(1000), PATIENCE):
                said += data
        assert not said.endswith(b"0\r\n\r\n")
        assert world.log()[-1]["reason"] == "body-slow"
        writer.transport.abort()


@pytest.mark.parametrize(("patience", "expected"), [(PATIENCE, 200), (SOON, 504)])
async def test_the_upstream_and_not_the_client_times_out_if_the_upstream_does_not_read(
    tmp_path: Path, patience: float, expected: int
) -> None:
    """While the upstream does not read, only the idle timeout of the upstream runs."""
    go_on = asyncio.Event()

    async def dozing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await go_on.wait()
        await reader.readexactly(len(body))
        writer.write(OK)
        await writer.drain()

    body = b"x" * 30_000_000
    async with running_world(tmp_path) as world:
        gateway, usual = world.node.gateway, world.node.gateway.runtime
        world.upstream.handle = dozing
        length = b"Content-Length: %d" % len(body)
        raw = world.request(b"/v1/projects/a/x", length, method=b"POST")
        pushing = asyncio.ensure_future(push(world, raw + body))
        await until(lambda: any(is_stuck(each) for each in gateway.admission.connections))
        world.allow_clients(body_idle=SOON, body_window=SOON)
        world.dial(idle_timeout=patience)
        if expected == 200:
            ticks = gateway._ticks
            await until(lambda: gateway._ticks >= ticks + 3 or pushing.done())
            alter(gateway, runtime=usual)
            go_on.set()
        assert status(await pushing) == expected
        go_on.set()


def is_stuck(connection: Connection) -> bool:
    """Whether its upstream does not read what it sends."""
    assert isinstance(connection, Downstream)
    handler = connection._handler
    return isinstance(handler, Exchange) and handler._upstream_stalled


async def push(world: World, raw: bytes) -> bytes:
    """Send until it is all sent or the gateway answers, and read the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    writer.write(raw)
    answer = await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()
    return answer


async def test_an_upstream_that_sends_no_response_is_a_504(tmp_path: Path) -> None:
    """The request is not sent again."""

    requests = []

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        world.dial(first_byte_timeout=SOON)
        await reader.read()

    async with running_world(tmp_path) as world:
        world.upstream.handle = mute
        assert status(await world.send(world.request())) == 504
        assert len(requests) == 1
