"""The connection limiter in front of a protocol that is no HTTP: it is the same for all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias, cast

import pytest

from admin.api.connection_limiter import ConnectionLimiter

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect: TypeAlias = Callable[[str], Awaitable[Streams]]


class Echo(asyncio.Protocol):
    """Repeats each line. `key` authenticates the connection, `work` begins work that never ends."""

    def __init__(self) -> None:
        self.authenticated = self.at_work = False
        self.ended = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.authenticated |= data == b"key\n"
        self.at_work |= data == b"work\n"
        self.transport.write(data)

    def eof_received(self) -> None:
        self.transport.write(b"end\n")

    def connection_lost(self, exc: BaseException | None) -> None:
        self.ended.set()


class Server:
    """A limited server of echoes, and what its factory made."""

    def __init__(self) -> None:
        self.made: list[Echo] = []
        self.limiter = ConnectionLimiter(self._make, most=4)

    def _make(self) -> Echo:
        self.made.append(Echo())
        return self.made[-1]


@pytest.fixture
def server() -> Server:
    """One for each test."""
    return Server()


@pytest.fixture
async def connect(server: Server) -> AsyncIterator[Connect]:
    """Makes connections from an address."""
    listener = await asyncio.get_running_loop().create_server(server.limiter, "127.0.0.1", 0)
    port, made = listener.sockets[0].getsockname()[1], list[Streams]()

    async def connect(source: str) -> Streams:
        made.append(await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0)))
        return made[-1]

    yield connect
    for _, writer in made:
        writer.transport.abort()
    listener.close()
    await listener.wait_closed()


async def echo(streams: Streams, line: bytes) -> bytes:
    """What comes back for a line, b"" where the connection is closed."""
    reader, writer = streams
    try:
        writer.write(line + b"\n")
        return (await reader.readline()).strip()
    except ConnectionError:
        return b""


async def test_the_protocol_behind_the_limiter_hears_of_everything(
    server: Server, connect: Connect
) -> None:
    """Of data, of the client's end, and of the connection's."""
    reader, writer = await connect("127.0.0.2")
    assert await echo((reader, writer), b"hello") == b"hello"
    writer.write_eof()
    assert await reader.read() == b"end\n"
    await asyncio.wait_for(server.made[0].ended.wait(), 60)


async def test_a_connection_that_ends_leaves_its_place_to_another(
    server: Server, connect: Connect
) -> None:
    """Three places are there for connections without a key; ten come, one after the other."""
    kept = await connect("127.0.0.2")
    for number in range(3, 13):
        streams = await connect(f"127.0.0.{number}")
        assert await echo(streams, b"hello") == b"hello"
        streams[1].close()
        await asyncio.wait_for(server.made[-1].ended.wait(), 60)
    assert await echo(kept, b"hello") == b"hello"


async def test_where_all_authenticated_connections_are_at_work_the_new_one_is_closed(
    connect: Connect,
) -> None:
    """Work without a key secures no place."""
    workers = []
    for number in range(2, 6):
        workers.append(await connect(f"127.0.0.{number}"))
        assert await echo(workers[-1], b"work") == b"work"
        if number > 2:
            assert await echo(workers[-1], b"key") == b"key"
    assert await echo(await connect("127.0.0.6"), b"hello") == b"hello"
    assert await echo(workers[0], b"hello") == b""
    newer = await connect("127.0.0.7")
    assert await echo(newer, b"work") == b"work"
    assert await echo(newer, b"key") == b"key"
    assert await echo(await connect("127.0.0.8"), b"hello") == b""
    for each in [*workers[1:], newer]:
        assert await echo(each, b"hello") == b"hello"
