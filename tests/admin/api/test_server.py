"""What is answered to bytes that never became a request."""

from __future__ import annotations

import asyncio
import json
import logging
import select
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, suppress
from typing import TypeAlias

import pytest
from aiohttp import web

from admin.api.server import AdminRunner
from tests.admin.admin_api import AdminApi
from tests.load.crowd import connect as greet
from tests.load.crowd import is_closed

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect: TypeAlias = Callable[..., Awaitable[Streams]]
ASK = b"GET /readyz HTTP/1.1\r\nHost: h\r\n\r\n"
NOBODY = b"POST /v2-beta/apikeys HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
"""A POST to the keys without credentials."""


@pytest.fixture
def connections() -> int:
    """How many there may be at once."""
    return 256


@pytest.fixture
def tls() -> ssl.SSLContext | None:
    """What it is served over."""
    return None


@pytest.fixture
async def port(api: AdminApi, connections: int, tls: ssl.SSLContext | None) -> AsyncIterator[int]:
    """Where the admin server is served as it is in production."""
    app = api.client.app
    assert app is not None
    runner = AdminRunner(app, connections=connections, tls=tls, access_log=None)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    for buffer in (socket.SO_SNDBUF, socket.SO_RCVBUF):  # who reads nothing has soon filled them
        listener.setsockopt(socket.SOL_SOCKET, buffer, 4096)
    await web.SockSite(runner, listener).start()
    yield listener.getsockname()[1]
    await runner.cleanup()


async def send(port: int, *pieces: bytes, shut: bool = False) -> bytes:
    """Send the pieces one by one, close that side if `shut`, which the admin server takes for the
    client's end, and read until the admin server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.05)  # so that each is likely to arrive on its own
    if shut:
        writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


def head(api: AdminApi, *lines: str) -> bytes:
    """A POST to the keys with the admin's credentials."""
    fields = [
        "POST /v2-beta/apikeys HTTP/1.1",
        "Host: 127.0.0.1",
        "Connection: close",
        f"Authorization: {api.admin.authorization}",
        *lines,
    ]
    return "\r\n".join([*fields, "", ""]).encode("latin-1")


@pytest.fixture
async def connect(port: int) -> AsyncIterator[Connect]:
    """Makes connections from an address."""
    made: list[Streams] = []

    async def connect(source: str = "127.0.0.1") -> Streams:
        made.append(await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0)))
        return made[-1]

    yield connect
    for _, writer in made:
        writer.transport.abort()


async def ready(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Whether the admin server says on this connection that it is ready; else it has closed it."""
    try:
        writer.write(ASK)
        answer = await reader.readuntil(b"ready\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return False
    return answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("connections", [4])
async def test_idle_connections_make_room(connect: Connect) -> None:
    """What says nothing keeps nobody out: it is closed where the admin server is full."""
    first, second, third, fourth = [await connect(f"127.0.0.{n}") for n in range(2, 6)]
    for each in (second, third, fourth, first):
        assert await ready(*each)
    fifth = await connect("127.0.0.6")
    assert await ready(*fifth)
    assert [await ready(*each) for each in (first, second, third)] == [True, False, True]


@pytest.mark.parametrize("connections", [8])
async def test_a_source_has_a_quarter_of_the_connections(connect: Connect) -> None:
    """Beyond that it makes room for its own, and others keep theirs."""
    other, *mine = await connect("127.0.0.2"), await connect(), await connect()
    for each in (other, *mine):
        assert await ready(*each)
    for _ in range(2):
        mine.append(await connect())
        assert await ready(*mine[-1])
    assert [await ready(*each) for each in mine] == [False, False, True, True]
    assert await ready(*other)


@pytest.mark.parametrize("connections", [4])
async def test_connections_at_work_stay(api: AdminApi, connect: Connect) -> None:
    """Where all of them are, the new one has to wait."""
    reader, writer = await connect()
    writer.write(head(api, "Content-Length: 2", "Expect: 100-continue"))
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert not await ready(*await connect())
    writer.write(b"{}")
    assert (await reader.read()).startswith(b"HTTP/1.1 201 ")


async def stalled(port: int, source: str) -> socket.socket:
    """A client that asks on and on and reads nothing, until the admin server takes no more."""
    client = socket.socket()
    for buffer in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        client.setsockopt(socket.SOL_SOCKET, buffer, 4096)
    client.bind((source, 0))
    client.connect(("127.0.0.1", port))
    client.setblocking(False)
    rest, in_vain = b"", 0
    with suppress(ConnectionError):  # it is closed already
        while in_vain < 10:
            rest = rest or ASK * 100
            try:
                rest = rest[client.send(rest) :]
                in_vain = 0
            except BlockingIOError:
                in_vain += 1
            await asyncio.sleep(0.05 if in_vain else 0)
    return client


def is_reset(client: socket.socket) -> bool:
    """Whether the admin server has ended a connection; what is there to be read is not."""
    poll = select.poll()
    poll.register(client, 0)  # which leaves the ends
    return bool(poll.poll(0))


@pytest.mark.parametrize("connections", [4])
async def test_who_reads_nothing_makes_room(port: int, connect: Connect) -> None:
    """Who asks on and on without reading is not at work: one of them is closed for a newcomer."""
    with ExitStack() as held:
        clients = [held.enter_context(await stalled(port, f"127.0.0.{n}")) for n in range(2, 6)]
        async with asyncio.timeout(60):
            # Until one of them has paused for long enough.
            while not await ready(*await connect("127.0.0.6")):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        assert sum(map(is_closed, clients)) == 1


async def test_who_reads_nothing_is_closed(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In time, also where nobody needs the room."""
    monkeypatch.setattr("admin.api.server.HEAD_TIMEOUT", 0.5)
    monkeypatch.setattr("admin.api.server.STALLED_READER", 0.5)
    with await stalled(port, "127.0.0.2") as client:
        async with asyncio.timeout(60):
            while not is_reset(client):  # noqa: ASYNC110  (nobody is told)
                await asyncio.sleep(0.1)


@pytest.mark.parametrize("connections", [4])
@pytest.mark.parametrize("tls", [ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)])
async def test_many_come_in_one_millisecond(port: int) -> None:
    """They make room in the order in which they came."""
    with ExitStack() as held:
        clients = [held.enter_context(greet(port, f"127.0.0.{n}")) for n in range(2, 102)]
        async with asyncio.timeout(60):
            while not all(map(is_closed, clients[:96])):  # noqa: ASYNC110  (nobody is told)
                await asyncio.sleep(0.1)
        assert not any(map(is_closed, clients[96:]))


@pytest.mark.parametrize("line", ["Authorization", "garbage", "Host"])
async def test_what_is_no_request(
    api: AdminApi, port: int, caplog: pytest.LogCaptureFixture, line: str
) -> None:
    """Bytes that are no HTTP are refused in the usual body, and neither echoed nor logged."""
    bad = {
        "Authorization": head(api).replace(b"\r\n\r\n", b"\x01\r\n\r\n"),
        "garbage": api.admin.authorization.encode() + b"\r\n\r\n",
        "Host": head(api, "Host: other"),
    }
    with caplog.at_level(logging.DEBUG):
        answer = await send(port, bad[line])
    top, _, body = answer.partition(b"\r\n\r\n")
    assert top.startswith(b"HTTP/1.0 400 ")
    assert b"aiohttp" not in top
    assert json.loads(body)["code"] == "BadRequest"
    credentials = api.admin.authorization.removeprefix("Basic ")
    assert credentials[:20].encode() not in answer
    assert credentials[:20] not in caplog.text


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        ("Content-Length: 5", b"{}"),
        ("Transfer-Encoding: chunked", b"2\r\n{}\r\nzz\r\n"),
        ("Transfer-Encoding: chunked", b"2\r\n{"),
    ],
)
async def test_bodies_that_do_not_end(
    api: AdminApi, port: int, caplog: pytest.LogCaptureFixture, framing: str, body: bytes
) -> None:
    """A body that ends early or is framed wrongly makes no key, and is no failure of the admin
    server."""
    with caplog.at_level(logging.ERROR):
        answer = await send(port, head(api, framing), body, shut=True)
    assert not answer or answer[9:12] == b"400"
    assert await api.store.get_key(2) is None
    assert caplog.text == ""


async def test_expectations(api: AdminApi, port: int) -> None:
    """100-continue is answered, any other expectation refused without telling the server's make."""
    framing = "Content-Length: 2"
    answer = await send(port, head(api, framing, "Expect: 100-continue"), b"{}")
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 ")
    answer = await send(port, head(api, framing, "Expect: miracles"), b"{}")
    assert answer.startswith(b"HTTP/1.1 417 ")
    assert b"aiohttp" not in answer


async def test_compressed_bodies(
    api: AdminApi, port: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody has one inflated, nor the log filled with what cannot be."""
    for start, status in ((head(api), b"415"), (NOBODY, b"401")):
        framing = b"\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n"
        with caplog.at_level(logging.DEBUG):
            answer = await send(port, start.removesuffix(b"\r\n\r\n") + framing + b"abcd")
        assert answer[9:12] == status
    assert "Traceback" not in caplog.text
