"""How an exchange ends: by the client, by the upstream, or early."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest

from tests.harness import OK, World, running_world, status
from tests.patience import PATIENCE

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    "method", [b"GET", b"HEAD", b"OPTIONS", b"POST", b"PUT", b"DELETE", b"PATCH"]
)
async def test_a_request_on_a_dead_pooled_connection_is_retried_only_if_that_is_safe(
    world: World, method: bytes
) -> None:
    """Safe is a request without a body that only reads; any other is sent once at most."""
    connections = 0

    async def once_each(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        for _ in range(1 if connections == 1 else 2):
            world.upstream.requests.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
        if connections == 1:
            await reader.readuntil(b"\r\n\r\n")  # and never answers it

    world.upstream.handle = once_each
    assert status(await world.send(world.request())) == 200
    safe = method in {b"GET", b"HEAD", b"OPTIONS"}
    assert status(await world.send(world.request(method=method))) == (200 if safe else 502)
    assert connections == (2 if safe else 1)
    assert world.log()[-1].get("retried", False) == safe


async def test_a_client_that_aborts_ends_its_request_to_the_upstream(world: World) -> None:
    """The upstream sees its connection end, and no complete request."""
    began, ended = asyncio.Event(), asyncio.Event()

    async def patient(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"half")
        began.set()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await reader.readexactly(10_000_000)
        ended.set()

    world.upstream.handle = patient
    _, writer = await asyncio.open_connection("127.0.0.1", world.port)
    writer.write(
        world.request(b"/v1/projects/a/x", b"Content-Length: 100", method=b"POST") + b"half"
    )
    await began.wait()
    writer.transport.abort()
    await asyncio.wait_for(ended.wait(), PATIENCE)


async def test_a_client_that_closes_its_side_still_gets_its_response(world: World) -> None:
    """A FIN means that the client sends no more, not that it does not read."""
    assert status(await world.send(world.request(close=False), shut=True)) == 200
    length = b"Content-Length: 5"
    post = world.request(b"/v1/projects/a/x", length, method=b"POST", close=False)
    world.upstream.forget()
    assert status(await world.send(post + b"hello", shut=True)) == 200
    assert status(await world.send(post + b"hell", shut=True)) == 400
    assert len(world.upstream.requests) == 1


async def test_a_body_of_many_turns_is_whole_where_the_client_closed_its_side_early(
    tmp_path: Path,
) -> None:
    """It is all there before the upstream is connected, and is handed over turn by turn."""
    body = b"1\r\nx\r\n" * 1400 + b"0\r\n\r\n"
    async with running_world(tmp_path) as world:
        field = b"Transfer-Encoding: chunked"
        raw = world.request(b"/v1/projects/a/x", field, method=b"POST", close=False)
        assert status(await world.send(raw + body, shut=True)) == 200
        assert status(await world.send(raw + body[:-1], shut=True)) == 400
        assert [line.get("reason") for line in world.log()] == [None, "body-incomplete"]


async def test_a_final_response_long_before_the_end_of_the_body_ends_both_connections(
    world: World,
) -> None:
    """The response is relayed. It is not worth reading so much for nothing."""

    async def hasty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        world.upstream.requests.append(await reader.read())

    world.upstream.handle = hasty
    answer = await world.send(
        world.request(b"/v1/projects/a/x", b"Content-Length: 100000", method=b"POST", close=False)
        + b"half",
    )
    assert status(answer) == 413
    assert b"\r\nConnection: close\r\n" in answer


async def test_a_large_body_passes_unchanged_in_both_directions(world: World) -> None:
    """50 MB in each direction, and the same bytes at both ends."""
    block = hashlib.sha256(b"seed").digest() * 2048
    blocks = 50 * 16

    async def mirror(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (blocks * len(block)))
        for _ in range(blocks):
            writer.write(await reader.readexactly(len(block)))
            await writer.drain()
        await reader.read()

    world.upstream.handle = mirror
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    length = b"Content-Length: %d" % (blocks * len(block))
    writer.write(world.request(b"/v1/projects/a/x", length, method=b"POST"))

    async def push() -> None:
        for _ in range(blocks):
            writer.write(block)
            await writer.drain()

    pushing = asyncio.ensure_future(push())
    head = await reader.readuntil(b"\r\n\r\n")
    assert status(head) == 200
    for _ in range(blocks):
        assert await reader.readexactly(len(block)) == block
    assert await reader.read() == b""
    await pushing
    writer.close()


async def test_the_idle_timeout_of_a_response_begins_with_its_head(tmp_path: Path) -> None:
    """Time that passed before the head, within `first_byte_timeout`, does not count."""
    arrived, go_on, end = (asyncio.Event() for _ in range(3))

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        arrived.set()
        await go_on.wait()
        writer.write(OK.removesuffix(b"ok"))
        await end.wait()
        writer.write(b"ok")

    async with running_world(tmp_path, dial={"idle_timeout": 10}) as world:
        world.upstream.handle = late
        world.stop_clock()
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(world.request())
        await arrived.wait()
        for _ in range(20):
            world.pass_time(1.0)
        go_on.set()
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(5):
            world.pass_time(1.0)
        end.set()
        assert await reader.read() == b"ok"
        writer.close()


async def test_an_unreachable_upstream_is_a_502(world: World, tmp_path: Path) -> None:
    """The gateway runs without it, and refuses the requests for it."""
    async with running_world(tmp_path, dial={"url": "http://127.0.0.1:1"}) as alone:
        answer = await alone.send(alone.request())
        assert status(answer) == 502
        assert alone.log()[0]["reason"] == "upstream-unreachable"


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"DELETE", b"OPTIONS"])
async def test_a_body_that_an_upstream_does_not_read_is_never_a_second_request(
    world: World, method: bytes
) -> None:
    """If the method gives a body no meaning, no other request uses its connection."""
    taken: list[int] = []

    async def heedless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read everything as heads, until one says that it is the last."""
        taken.append(0)
        request = b""
        while b"\r\nConnection: close\r\n" not in request:
            request = await reader.readuntil(b"\r\n\r\n")
            taken[-1] += 1
            writer.write(OK if b"/a/" in request else OK.replace(b"ok", b"no"))

    world.upstream.handle = heedless
    body = b"GET /v1/projects/b/x HTTP/1.1\r\nHost: h\r\n\r\n"
    length = b"Content-Length: %d" % len(body)
    raw = world.request(b"/v1/projects/a/x", length, method=method, close=False) + body
    answer = await world.send(raw + world.request())
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert not answer.endswith(b"no")
    assert taken[0] == 1
    assert len(taken) == 2
