"""Upstreams that refuse, hang, drip or die, and more requests than they take at once."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from proxy.gateway.upstream import ResponseHandler
from tests.harness import OK, RecordingUpstream, World, running_world, status, until
from tests.patience import PATIENCE

Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
BEGINNING = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"
CHUNK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"
SOON = 0.5
"""Seconds of a timeout that is waited for. The clock ticks once a second: it may come later."""


def says(*pieces: bytes, pause: float = 0.0, hangs: bool = False) -> Handle:
    """An upstream that answers like this, and closes or says nothing more."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)
        if hangs:
            await reader.read()

    return handle


FAULTS = {
    "closes": (says(), 502),
    "hangs": (says(hangs=True), 504),
    "hangs in its head": (says(OK[:20], hangs=True), 504),
    "drips its head": (says(*(bytes([byte]) for byte in OK * 2), pause=0.1), 504),
    "drips interim heads": (says(*[b"HTTP/1.1 102 X\r\n\r\n"] * 15, pause=0.2), 504),
    "dies in its head": (says(OK[:20]), 502),
    "dies in its body": (says(BEGINNING), 200),
    "dies in its chunks": (says(CHUNK), 200),
    "hangs in its body": (says(BEGINNING, hangs=True), 200),
    "hangs in its chunks": (says(CHUNK, hangs=True), 200),
}


async def told(world: World, raw: bytes) -> tuple[bytes, bool]:
    """What a client is told, and whether it breaks off."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    writer.write(raw)
    said = b""
    try:
        async with asyncio.timeout(PATIENCE):
            while data := await reader.read(1000):
                said += data
    except ConnectionResetError:
        return said, True
    finally:
        writer.close()
    return said, False


@pytest.mark.parametrize("fault", FAULTS)
async def test_faults(tmp_path: Path, fault: str) -> None:
    """A client is told whose fault it was, or its answer breaks off; the upstream is asked once,
    whatever the method, and what is of it is let go."""
    handle, expected = FAULTS[fault]
    asked = []

    async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b" "))
        await reader.readuntil(b"\r\n\r\n")
        if expected == 504 and len(asked) == 2:  # before, it would be a connection that is late
            world.dial(first_byte_timeout=SOON)
        await handle(reader, writer)

    async with running_world(tmp_path, dial={"idle_timeout": SOON}) as world:
        world.upstream.handle = counted
        length = b"Content-Length: 2"
        raw = (
            world.request(b"/v1/projects/a/x", length, method=each) for each in (b"GET", b"POST")
        )
        for said, broken in await asyncio.gather(*(told(world, each + b"hi") for each in raw)):
            assert status(said) == expected
            assert broken == (expected == 200)
            assert said.count(b"HTTP/1.1 ") == 1
            assert not said.endswith(b"0\r\n\r\n")
        pool = world.node.gateway.runtime.pools["default"]
        await until(lambda: (len(pool._open), len(pool._dialling)) == (0, 0))
        assert {line["status"] for line in world.log()} == {expected}
        assert all("reason" in line for line in world.log())
    assert sorted(asked) == [b"GET ", b"POST "]


async def test_an_upstream_that_takes_no_connection(tmp_path: Path) -> None:
    """502 where it refuses; 504 where nobody says anything. The next request tries again."""
    async with running_world(tmp_path) as world:
        usual = world.node.gateway.runtime.pools["default"].dial
        with socket.socket() as deaf:
            deaf.bind(("127.0.0.1", 0))
            port = deaf.getsockname()[1]
            world.dial(port=port)
            assert status(await world.send(world.request())) == 502  # nobody listens
            deaf.listen(0)
            waiting = []
            for _ in range(3):  # until the queue of those that wait to be accepted is full
                waiting.append(client := socket.socket())
                client.setblocking(False)
                client.connect_ex(("127.0.0.1", port))
            world.dial(connect_timeout=SOON)
            assert status(await world.send(world.request())) == 504
            for client in waiting:
                client.close()
        world.node.gateway.runtime.pools["default"].dial = usual
        assert status(await world.send(world.request())) == 200


class AdminApi:
    """An upstream that answers when it is told to, in the order in which it was asked."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self._answers: asyncio.Queue[bytes] = asyncio.Queue()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        while True:
            request = await reader.readuntil(b"\r\n\r\n")
            self.asked.append(request.split(b" ")[1].rpartition(b"/")[2])
            writer.write(await self._answers.get())
            await writer.drain()

    def answer(self) -> None:
        """Answer one of those that wait."""
        self._answers.put_nowait(OK)

    async def has_seen(self, count: int) -> None:
        """Until so many have asked."""
        await until(lambda: len(self.asked) >= count)


@asynccontextmanager
async def full(folder: Path, **dial: float) -> AsyncIterator[tuple[World, AdminApi]]:
    """A gateway whose upstream takes two requests at once, while three others may wait."""
    api = AdminApi()
    upstream = RecordingUpstream(handle=api.handle)
    async with running_world(
        folder, upstream, dial={"max_connections": 2, "queue": 3} | dial
    ) as world:
        yield world, api


def asking(world: World, name: bytes) -> asyncio.Task[bytes]:
    """Somebody who asks."""
    return asyncio.create_task(world.send(world.request(b"/v1/projects/a/" + name)))


async def waiting(world: World, count: int) -> None:
    """Until so many wait."""
    pool = world.node.gateway.runtime.pools["default"]
    await until(lambda: len(pool._waiting) == count)


async def test_so_many_at_once_so_many_wait_and_no_more(tmp_path: Path) -> None:
    """Those that wait go in the order in which they came; one too many is told to come again."""
    async with full(tmp_path) as (world, api):
        running = [asking(world, b"1"), asking(world, b"2")]
        await api.has_seen(2)
        queue = []
        for place, name in enumerate((b"3", b"4", b"5"), 1):
            queue.append(asking(world, name))
            await waiting(world, place)
        refused = await world.send(world.request(b"/v1/projects/a/6"))
        assert status(refused) == 503
        assert b"\r\nRetry-After: 1\r\n" in refused
        for count in (3, 4, 5):
            api.answer()
            await api.has_seen(count)
        assert api.asked[2:] == [b"3", b"4", b"5"]
        api.answer()
        api.answer()
        assert {status(answer) for answer in await asyncio.gather(*running, *queue)} == {200}
        assert [line["reason"] for line in world.log() if "reason" in line] == ["upstream-busy"]


async def test_who_waits_makes_no_more_connections_than_there_may_be(tmp_path: Path) -> None:
    """However soon the upstream ends each, and however many wait for the next."""

    def reset_each() -> None:
        with suppress(OSError):  # until the server is shut
            while True:
                server.accept()[0].close()

    with socket.create_server(("127.0.0.1", 0), backlog=500) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        dial = {"url": f"http://127.0.0.1:{server.getsockname()[1]}", "max_connections": 4}
        async with running_world(tmp_path, dial=dial, limits={"head_timeout": PATIENCE}) as world:
            pool = world.node.gateway.runtime.pools["default"]
            connect, at_once = pool._connect, []

            def connect_and_count(handler: ResponseHandler) -> None:
                connect(handler)
                at_once.append(len(pool._open) + len(pool._dialling))

            pool._connect = connect_and_count  # type: ignore[method-assign]
            resetting = asyncio.ensure_future(asyncio.to_thread(reset_each))
            answers = await asyncio.gather(*(asking(world, b"x") for _ in range(900)))
            server.shutdown(socket.SHUT_RDWR)
            await resetting
        assert {status(answer) for answer in answers} == {502}
        assert max(at_once) == 4


async def test_who_gives_up_leaves_the_queue(tmp_path: Path) -> None:
    """Its place is another's, and its request never goes upstream. (A reset says so; a FIN says
    no more than that nothing else is to be sent.)"""
    async with full(tmp_path) as (world, api):
        running = [asking(world, b"1"), asking(world, b"2")]
        await api.has_seen(2)
        leaving = []
        for place in range(1, 4):
            leaving.append(client := socket.create_connection(("127.0.0.1", world.port)))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sendall(world.request(b"/v1/projects/a/left"))
            await waiting(world, place)
        for left, client in enumerate(leaving, 1):
            client.close()
            await waiting(world, 3 - left)
        patient = asking(world, b"3")
        await waiting(world, 1)
        for _ in range(3):
            api.answer()
        assert status(await patient) == 200
        assert {status(answer) for answer in await asyncio.gather(*running)} == {200}
        assert api.asked[2:] == [b"3"]


async def test_nobody_waits_for_ever(tmp_path: Path) -> None:
    """Who has waited as long as an answer may take is told to come again; nothing was sent."""
    async with full(tmp_path) as (world, api):
        everybody = [asking(world, name) for name in (b"1", b"2", b"3", b"4")]
        await api.has_seen(2)
        await waiting(world, 2)
        world.dial(first_byte_timeout=SOON)
        answers = await asyncio.gather(*everybody)
        assert sorted(map(status, answers)) == [503, 503, 504, 504]
        assert len(api.asked) <= 3
        assert not world.node.gateway.runtime.pools["default"]._waiting
