"""The admin server on real sockets: whose connection is closed where there are too many."""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, suppress
from typing import TypeAlias

import pytest

from tests.admin.admin_api import AdminApi
from tests.admin.api.raw import READY, head
from tests.load.crowd import connect as greet
from tests.load.crowd import is_closed

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect: TypeAlias = Callable[..., Awaitable[Streams]]


def with_key(api: AdminApi) -> bytes:
    """A GET with the admin's credentials."""
    authorization = api.admin.authorization.encode()
    return b"GET /v1 HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: %b\r\n\r\n" % authorization


WITH_WRONG_KEY = b"GET /v1 HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic YTpi\r\n\r\n"


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


async def status(streams: Streams, request: bytes) -> int:
    """The status of the answer to a request on a connection, 0 where the connection is closed."""
    reader, writer = streams
    try:
        writer.write(request)
        top = await reader.readuntil(b"\r\n\r\n")
        length = int(top.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return 0
    return int(top.split()[1])


@pytest.mark.parametrize("connections", [4])
async def test_where_all_have_a_key_the_one_heard_of_longest_ago_makes_room(
    api: AdminApi, connect: Connect
) -> None:
    """A new client finds a place even where all places are taken by idle clients with a key."""
    clients = []
    for number in range(2, 6):
        clients.append(await connect(f"127.0.0.{number}"))
        assert await status(clients[-1], with_key(api)) == 200
    first, second, third, fourth = clients
    for each in (second, third, fourth, first):
        assert await status(each, with_key(api)) == 200
    fifth = await connect("127.0.0.6")
    assert await status(fifth, READY) == 200
    assert [await status(each, with_key(api)) for each in (first, second, third)] == [200, 0, 200]


@pytest.mark.parametrize("connections", [8])
async def test_clients_without_a_key_close_no_connection_of_clients_with_one(
    api: AdminApi, connect: Connect
) -> None:
    """However many come and however much they say, they push out each other, the oldest first."""
    mine = [await connect("127.0.0.2"), await connect("127.0.0.3")]
    for each in mine:
        assert await status(each, with_key(api)) == 200
    others = []
    for number in range(4, 44):
        others.append(await connect(f"127.0.0.{number}"))
        request = READY if number % 2 else WITH_WRONG_KEY
        assert await status(others[-1], request) in {200, 401, 429}
        assert await status(others[max(0, len(others) - 6)], READY) == 200
    assert [await status(each, READY) for each in others] == [0] * 34 + [200] * 6
    assert [await status(each, with_key(api)) for each in mine] == [200, 200]
    mine.append(await connect("127.0.0.99"))
    assert [await status(each, with_key(api)) for each in mine] == [200, 200, 200]


@pytest.mark.parametrize("connections", [8])
async def test_clients_without_a_key_have_three_quarters_of_the_connections(
    api: AdminApi, connect: Connect
) -> None:
    """The seventh of them takes the place of the first, though eight connections may be open."""
    clients = [await connect(f"127.0.0.{number}") for number in range(2, 9)]
    assert [await status(each, READY) for each in clients] == [0] + [200] * 6
    assert await status(clients[-1], with_key(api)) == 200
    clients.append(await connect("127.0.0.99"))  # the sixth that has presented no key
    assert [await status(each, READY) for each in clients] == [0] + [200] * 7


@pytest.mark.parametrize("connections", [4])
async def test_a_connection_whose_key_was_refused_makes_room_before_those_with_a_key(
    api: AdminApi, connect: Connect
) -> None:
    """The last key that was presented on a connection counts, not the first."""
    clients = []
    for number in range(2, 6):
        clients.append(await connect(f"127.0.0.{number}"))
        assert await status(clients[-1], with_key(api)) == 200
    assert await status(clients[2], WITH_WRONG_KEY) == 401
    clients.append(await connect("127.0.0.6"))
    assert [await status(each, with_key(api)) for each in clients] == [200, 200, 0, 200, 200]


@pytest.mark.parametrize("connections", [8])
async def test_a_source_has_a_quarter_of_the_connections(connect: Connect) -> None:
    """Beyond that it makes room for its own, and others keep theirs."""
    other, *mine = await connect("127.0.0.2"), await connect(), await connect()
    for each in (other, *mine):
        assert await status(each, READY) == 200
    for _ in range(2):
        mine.append(await connect())
        assert await status(mine[-1], READY) == 200
    assert [await status(each, READY) for each in mine] == [0, 0, 200, 200]
    assert await status(other, READY) == 200


@pytest.mark.parametrize("connections", [16])
async def test_sources_that_come_again_and_again_push_out_themselves(
    api: AdminApi, connect: Connect
) -> None:
    """A client of another source that has said nothing yet keeps its place, and so finds the time
    to present its key: four sources had kept it out."""
    quiet = await connect("127.0.0.99")
    others = [await connect(f"127.0.0.{2 + number % 4}") for number in range(100)]
    assert await status(others[-1], READY) == 200
    assert await status(others[0], READY) == 0
    assert await status(quiet, with_key(api)) == 200


@pytest.mark.parametrize("connections", [64])
async def test_who_has_a_key_is_served_while_others_pipeline_without_one(
    api: AdminApi, connect: Connect
) -> None:
    """From many sources, each with hundreds of requests whose answers it reads and who comes again
    as soon as it is closed."""
    over = asyncio.Event()

    async def flood(source: str) -> None:
        while not over.is_set():
            reader, writer = await connect(source)
            with suppress(ConnectionError):
                writer.write(WITH_WRONG_KEY.replace(b"/v1", b"/v2-beta/apikeys") * 300)
                while not over.is_set() and await reader.read(65536):
                    pass

    async with asyncio.TaskGroup() as floods:
        for number in range(60):
            floods.create_task(flood(f"127.0.0.{2 + number}"))
        for _ in range(5):
            client = await connect("127.0.0.99")
            assert await status(client, with_key(api)) == 200
        over.set()


@pytest.mark.parametrize("connections", [4])
async def test_a_connection_with_a_key_that_is_at_work_stays(
    api: AdminApi, connect: Connect
) -> None:
    """Where all of a source's are at work, its new one is closed."""
    reader, writer = await connect()
    assert await status((reader, writer), with_key(api)) == 200
    writer.write(head(api, "Content-Length: 2", "Expect: 100-continue"))
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert await status(await connect(), READY) == 0
    writer.write(b"{}")
    assert (await reader.read()).startswith(b"HTTP/1.1 201 ")


async def stalled(port: int, source: str, request: bytes) -> socket.socket:
    """A client that sends requests and reads no answers, until the admin server takes no more."""
    client = socket.socket()
    for buffer in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        client.setsockopt(socket.SOL_SOCKET, buffer, 4096)
    client.bind((source, 0))
    client.connect(("127.0.0.1", port))
    client.setblocking(False)
    rest, in_vain = b"", 0
    with suppress(ConnectionError):  # It is closed already.
        while in_vain < 10:
            rest = rest or request * 100
            try:
                rest = rest[client.send(rest) :]
                in_vain = 0
            except BlockingIOError:
                in_vain += 1
            await asyncio.sleep(0.05 if in_vain else 0)
    return client


def is_reset(client: socket.socket) -> bool:
    """Whether the admin server has ended a connection. What can be read stays unread."""
    poll = select.poll()
    poll.register(client, 0)  # which leaves the ends
    return bool(poll.poll(0))


@pytest.mark.parametrize("connections", [4])
async def test_a_client_with_a_key_that_reads_nothing_makes_room(
    api: AdminApi, port: int, connect: Connect
) -> None:
    """A client that sends on and on without reading is not at work: one is closed for a new one."""
    with ExitStack() as held:
        clients = [
            held.enter_context(await stalled(port, f"127.0.0.{number}", with_key(api)))
            for number in range(2, 6)
        ]
        async with asyncio.timeout(60):
            # Until one of them has paused for long enough.
            while await status(await connect("127.0.0.6"), READY) != 200:  # noqa: ASYNC110  (no event)
                await asyncio.sleep(0.1)
        assert sum(map(is_closed, clients)) == 1


async def test_a_client_that_reads_nothing_is_closed_in_time(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is closed also where nobody needs its place."""
    monkeypatch.setattr("admin.api.connection.HEAD_TIMEOUT", 0.5)
    monkeypatch.setattr("admin.api.connection.STALLED_READER", 0.5)
    with await stalled(port, "127.0.0.2", READY) as client:
        async with asyncio.timeout(60):
            while not is_reset(client):  # noqa: ASYNC110  (there is no event to wait for)
                await asyncio.sleep(0.1)


@pytest.mark.parametrize("connections", [4])
@pytest.mark.parametrize("tls", [ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)])
async def test_many_that_come_in_one_millisecond_make_room_in_their_order(port: int) -> None:
    """Those without a handshake too: the last three, three quarters of the places, stay."""
    with ExitStack() as held:
        clients = [held.enter_context(greet(port, f"127.0.0.{n}")) for n in range(2, 102)]
        async with asyncio.timeout(60):
            while not all(map(is_closed, clients[:97])):  # noqa: ASYNC110  (there is no event)
                await asyncio.sleep(0.1)
        assert not any(map(is_closed, clients[97:]))
