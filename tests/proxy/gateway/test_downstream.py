"""Clients' connections: kept, read no faster than they are answered, and closed so that responses
arrive."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from proxy.gateway.downstream import Downstream
from tests.harness import World, running_world, status


async def test_a_connection_serves_several_requests_in_turn(tmp_path: Path) -> None:
    """HTTP/1.1 keeps it by default, HTTP/1.0 where it asks for that."""
    async with running_world(tmp_path) as world:
        again = world.request(close=False)
        assert (await world.send(again + world.request())).count(b"HTTP/1.1 200") == 2
        old = again.replace(b"HTTP/1.1", b"HTTP/1.0")
        assert (await world.send(old + old)).count(b"HTTP/1.1 200") == 1
        kept = old.replace(b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n")
        answer = await world.send(kept + old)
        assert answer.count(b"HTTP/1.1 200") == 2
        assert answer.count(b"Connection: keep-alive\r\n") == 1


async def test_every_whole_request_before_a_fin_gets_its_response(tmp_path: Path) -> None:
    """They are answered in order; a partial request after them is not."""
    async with running_world(tmp_path) as world:
        ask = world.request(close=False)
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(ask * 3 + ask[:-2])
        writer.write_eof()
        assert (await reader.read()).count(b"HTTP/1.1 200") == 3
        assert len(world.upstream.requests) == 3
        writer.close()


async def test_the_gateway_stops_reading_a_client_that_does_not_read(tmp_path: Path) -> None:
    """Refused requests fill no memory while the client does not read the refusals."""
    async with running_world(tmp_path) as world:
        flood = b"GET /v1/projects/a/x HTTP/1.1\r\nHost: h\r\n\r\n" * 1000
        _, writer = await asyncio.open_connection("127.0.0.1", world.port, limit=1024)
        writer.transport.set_write_buffer_limits(high=0)
        sent = 0
        try:
            while sent < 64 * 1024 * 1024:
                writer.write(flood)
                sent += len(flood)
                async with asyncio.timeout(1):
                    await writer.drain()
        except TimeoutError:
            pass
        assert sent < 64 * 1024 * 1024
        (held,) = world.node.gateway.admission.connections
        assert isinstance(held, Downstream)
        assert len(held._buffer) < 1024 * 1024
        writer.transport.abort()


async def test_the_last_response_arrives_whole_even_if_it_is_read_late(tmp_path: Path) -> None:
    """A client that pauses longer than the linger timeout loses nothing that was written."""
    sizes = iter(range(2_000_000, 6_000_000, 40_000))

    def body(_: bytes) -> bytes:
        size = next(sizes)
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size

    async def read_late(world: World) -> None:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", world.port))
        reader, writer = await asyncio.open_connection(sock=sock, limit=1024)
        writer.write(world.request())
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(3)
        reader._transport.resume_reading()  # type: ignore[attr-defined]
        answer = await reader.read()
        head, _, got = answer.partition(b"\r\n\r\n")
        assert f"Content-Length: {len(got)}\r\n".encode() in head + b"\r\n"
        writer.close()

    async with running_world(tmp_path) as world:
        world.allow_clients(linger=0.1)
        world.upstream.respond = body
        await asyncio.gather(*(read_late(world) for _ in range(100)))


@pytest.mark.parametrize("path", [b"/v1/projects/a/x", b"/nowhere"])
async def test_a_client_far_ahead_of_its_responses_is_not_read_further(
    tmp_path: Path, path: bytes
) -> None:
    """Its buffer stays small, whether its requests go to the upstream or are refused."""
    async with running_world(tmp_path) as world:
        ask = world.request(path, close=False)
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(ask * 20_000)
        for _ in range(50):
            assert await reader.read(20_000)
            (held,) = world.node.gateway.admission.connections
            assert isinstance(held, Downstream)
            assert len(held._buffer) <= 2 * 256 * 1024
        writer.transport.abort()


async def test_repeated_fields_after_another_request_line_are_decided_anew(tmp_path: Path) -> None:
    """Another version, method or path makes another request of the same fields."""
    async with running_world(tmp_path) as world:
        fields = world.request(b"/v1/projects/a/x", b"Transfer-Encoding: chunked", close=False)
        fields = fields.partition(b"\r\n")[2]
        good = b"POST /v1/projects/a/x HTTP/1.1\r\n" + fields + b"0\r\n\r\n"
        elsewhere = b"POST /v1/projects/b/x HTTP/1.1\r\n" + fields
        old = b"POST /v1/projects/a/x HTTP/1.0\r\n" + fields + b"0\r\n\r\n"
        for second, expected in ((good + old, b"400"), (elsewhere, b"403"), (old, b"400")):
            answer = await world.send(good + second)
            assert answer.split(b"HTTP/1.1 ")[-1][:3] == expected


async def test_a_body_over_the_limit_is_a_413(tmp_path: Path) -> None:
    """It is refused at once if its length says so, else as soon as the limit is passed."""
    async with running_world(tmp_path, limits={"body_size": 10}) as world:
        raw = world.request(b"/v1/projects/a/x", b"Content-Length: 11", method=b"POST")
        assert status(await world.send(raw + b"12345678901")) == 413
        assert world.upstream.seen == b""
        raw = world.request(b"/v1/projects/a/x", b"Transfer-Encoding: chunked", method=b"POST")
        assert status(await world.send(raw + b"6\r\n123456\r\n6\r\n123456\r\n0\r\n\r\n")) == 413
        assert world.upstream.requests == []
