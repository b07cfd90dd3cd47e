"""Upstreams that refuse, hang, drip or die, and more requests than they take at once."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tests.harness import OK, RecordingUpstream, World, running_world, status, until
from tests.patience import PATIENCE

Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
BEGINNING = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"
CHUNK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"
SOON = 0.5
"""Seconds of a timeout that must expire. The clock ticks once a second, so it may be later."""


def sends(*pieces: bytes, pause: float = 0.0, hangs: bool = False) -> Handle:
    """An upstream that sends these pieces, and then closes the connection or sends no more."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)
        if hangs:
            await reader.read()

    return handle


FAULTS = {
    "closes": (sends(), 502),
    "hangs": (sends(hangs=True), 504),
    "hangs in its head": (sends(OK[:20], hangs=True), 504),
    "drips its head": (sends(*(bytes([byte]) for byte in OK * 2), pause=0.1), 504),
    "drips interim heads": (sends(*[b"HTTP/1.1 102 X\r\n\r\n"] * 15, pause=0.2), 504),
    "dies in its head": (sends(OK[:20]), 502),
    "dies in its body": (sends(BEGINNING), 200),
    "dies in its chunks": (sends(CHUNK), 200),
    "hangs in its body": (sends(BEGINNING, hangs=True), 200),
    "hangs in its chunks": (sends(CHUNK, hangs=True), 200),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_faulty_upstream_gives_502_or_504_or_an_answer_that_is_cut(
    tmp_path: Path, fault: str
) -> None:
    """The upstream gets the request once, whatever its method, and its connection is closed."""
    handle, expected = FAULTS[fault]
    asked = []

    async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b" "))
        await reader.readuntil(b"\r\n\r\n")
        if expected == 504 and len(asked) == 2:  # both connections are there, so none is late
            world.dial(first_byte_timeout=SOON)
        await handle(reader, writer)

    async with running_world(tmp_path, dial={"idle_timeout": SOON}) as world:
        world.upstream.handle = counted
        length = b"Content-Length: 2"
        raw = (
            world.request(b"/v1/projects/a/x", length, method=each) for each in (b"GET", b"POST")
        )
        answers = await asyncio.gather(*(world.receive(each + b"hi") for each in raw))
        for received, reset in answers:
            assert status(received) == expected
            assert reset == (expected == 200)
            assert received.count(b"HTTP/1.1 ") == 1
            assert not received.endswith(b"0\r\n\r\n")
        await until(lambda: not world.inside.upstream and not world.inside.dialling)
        assert {line["status"] for line in world.log()} == {expected}
        assert all("reason" in line for line in world.log())
    assert sorted(asked) == [b"GET ", b"POST "]


async def test_an_upstream_that_takes_no_connection_gives_502_or_504(tmp_path: Path) -> None:
    """502 where it refuses the connection; 504 where it does not answer. The next request tries
    again."""
    async with running_world(tmp_path) as world:
        usual = world.pool.dial
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
        world.pool.dial = usual
        assert status(await world.send(world.request())) == 200


class HeldUpstream:
    """An upstream that keeps its answers until the test releases them."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self._answers: asyncio.Queue[bytes] = asyncio.Queue()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        while True:
            request = await reader.readuntil(b"\r\n\r\n")
            self.asked.append(request.split(b" ")[1].rpartition(b"/")[2])
            writer.write(await self._answers.get())
            await writer.drain()

    def answer(self) -> None:
        """Release one answer."""
        self._answers.put_nowait(OK)

    async def has_seen(self, count: int) -> None:
        """Wait until so many requests have come."""
        await until(lambda: len(self.asked) >= count)


@asynccontextmanager
async def full(folder: Path, **dial: float) -> AsyncIterator[tuple[World, HeldUpstream]]:
    """A gateway whose upstream takes two requests at once, while three others may wait."""
    held = HeldUpstream()
    upstream = RecordingUpstream(handle=held.handle)
    async with running_world(
        folder, upstream, dial={"max_connections": 2, "queue": 3} | dial
    ) as world:
        yield world, held


def asking(world: World, name: bytes) -> asyncio.Task[bytes]:
    """A client that sends a request for `name`."""
    return asyncio.create_task(world.send(world.request(b"/v1/projects/a/" + name)))


async def waiting(world: World, count: int) -> None:
    """Wait until so many requests wait for a connection to the upstream."""
    await until(lambda: world.inside.waiting == count)


async def test_requests_beyond_the_connections_wait_and_beyond_the_queue_get_503(
    tmp_path: Path,
) -> None:
    """Those that wait go upstream in the order in which they came."""
    async with full(tmp_path) as (world, upstream):
        running = [asking(world, b"1"), asking(world, b"2")]
        await upstream.has_seen(2)
        queue = []
        for place, name in enumerate((b"3", b"4", b"5"), 1):
            queue.append(asking(world, name))
            await waiting(world, place)
        refused = await world.send(world.request(b"/v1/projects/a/6"))
        assert status(refused) == 503
        assert b"\r\nRetry-After: 1\r\n" in refused
        for count in (3, 4, 5):
            upstream.answer()
            await upstream.has_seen(count)
        assert upstream.asked[2:] == [b"3", b"4", b"5"]
        upstream.answer()
        upstream.answer()
        assert {status(answer) for answer in await asyncio.gather(*running, *queue)} == {200}
        assert [line["reason"] for line in world.log() if "reason" in line] == ["upstream-busy"]


async def test_requests_that_wait_open_no_more_connections_than_the_limit(tmp_path: Path) -> None:
    """However soon the upstream resets each connection, and however many requests wait."""

    def reset_each() -> None:
        with suppress(OSError):  # until the server is shut
            while True:
                server.accept()[0].close()

    with socket.create_server(("127.0.0.1", 0), backlog=500) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        dial = {"url": f"http://127.0.0.1:{server.getsockname()[1]}", "max_connections": 4}
        async with running_world(tmp_path, dial=dial, limits={"head_timeout": PATIENCE}) as world:
            at_once = []

            def count() -> None:
                at_once.append(len(world.inside.upstream) + world.inside.dialling)

            world.inside.after_each_dial(count)
            resetting = asyncio.ensure_future(asyncio.to_thread(reset_each))
            answers = await asyncio.gather(*(asking(world, b"x") for _ in range(900)))
            server.shutdown(socket.SHUT_RDWR)
            await resetting
        assert {status(answer) for answer in answers} == {502}
        assert max(at_once) == 4


async def test_a_client_that_gives_up_leaves_the_queue(tmp_path: Path) -> None:
    """Its place is free for another, and its request never goes upstream. (Only a reset means that
    a client has given up; a FIN means that it sends no more.)"""
    async with full(tmp_path) as (world, upstream):
        running = [asking(world, b"1"), asking(world, b"2")]
        await upstream.has_seen(2)
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
            upstream.answer()
        assert status(await patient) == 200
        assert {status(answer) for answer in await asyncio.gather(*running)} == {200}
        assert upstream.asked[2:] == [b"3"]


async def test_a_request_that_waits_too_long_gets_503(tmp_path: Path) -> None:
    """It may wait as long as an answer may take, and is not sent upstream."""
    async with full(tmp_path) as (world, upstream):
        everybody = [asking(world, name) for name in (b"1", b"2", b"3", b"4")]
        await upstream.has_seen(2)
        await waiting(world, 2)
        world.dial(first_byte_timeout=SOON)
        answers = await asyncio.gather(*everybody)
        assert sorted(map(status, answers)) == [503, 503, 504, 504]
        assert len(upstream.asked) <= 3
        assert not world.inside.waiting
