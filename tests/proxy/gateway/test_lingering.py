"""A response reaches a client that is still sending, and a short rest of a body ends nothing."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from proxy.gateway import lingering
from proxy.gateway.lingering import MAX_REST
from tests.harness import OK, World, running_world, status, until
from tests.patience import PATIENCE
from tests.test_tls import Authority

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOBODY = b"POST /v1/projects/a/x HTTP/1.1\r\nHost: gateway\r\n"
"""A request that gets 401."""
SMUGGLED = b"GET /v1/projects/a/smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
"""A body that would be a request."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """One gateway for the tests that change nothing of it."""
    async with running_world(tmp_path_factory.mktemp("lingering")) as here:
        yield here


def statuses(answer: bytes) -> list[int]:
    """The statuses of all answers."""
    return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3})", answer)]


def length(size: int) -> bytes:
    return b"Content-Length: %d\r\n\r\n" % size


CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


def chunks(body: bytes, size: int = 1000) -> bytes:
    """The body in chunks."""
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


SHORT = [
    pytest.param(length(len(SMUGGLED)), SMUGGLED, id="length"),
    pytest.param(CHUNKED, chunks(SMUGGLED), id="chunked"),
    pytest.param(CHUNKED, chunks(SMUGGLED * 20, 1), id="tiny-chunks"),
    pytest.param(length(MAX_REST), b"x" * MAX_REST, id="longest"),
    pytest.param(length(0), b"", id="empty"),
]


@pytest.mark.parametrize(("framing", "body"), SHORT)
@pytest.mark.parametrize("refused", ["nobody", "elsewhere", "nowhere"])
@pytest.mark.parametrize("late", [True, False], ids=["late", "at-once"])
async def test_a_client_keeps_its_connection_where_a_small_post_is_refused(
    world: World, framing: bytes, body: bytes, refused: str, late: bool
) -> None:
    """Whether the body comes after the refusal or with the head. It is never read as a request, and
    what follows it is."""
    head, code = {
        "nobody": (NOBODY, 401),
        "elsewhere": (world.request(b"/v1/projects/b/x", method=b"POST", close=False)[:-2], 403),
        "nowhere": (world.request(b"/nowhere", method=b"POST", close=False)[:-2], 403),
    }[refused]
    world.upstream.forget()
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    rest = body + head + framing + body + world.request()
    writer.write(head + framing if late else head + framing + rest)
    answer = await reader.readuntil(b"\r\n\r\n")
    assert b"\r\nConnection:" not in answer
    if late:
        for at in range(0, len(rest), 30_000):
            writer.write(rest[at : at + 30_000])
            await writer.drain()
            await asyncio.sleep(0)
    answer += await reader.read()
    assert statuses(answer) == [code, code, 200]
    assert b"smuggled" not in world.upstream.seen
    writer.close()


async def test_a_client_that_ends_its_side_within_the_rest_has_its_connection_closed(
    world: World,
) -> None:
    """Nothing is left to be served."""
    assert statuses(await world.send(NOBODY + length(100) + b"half", shut=True)) == [401]
    assert statuses(await world.send(NOBODY + length(4) + b"half", shut=True)) == [401]
    pair = NOBODY + length(4) + b"half"
    assert statuses(await world.send(pair + pair + world.request(), shut=True)) == [401, 401, 200]


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        (length(MAX_REST + 1), SMUGGLED * 2000),
        (CHUNKED, chunks(SMUGGLED * 2000)),
        (CHUNKED, b"nonsense\r\n" + SMUGGLED),
        (CHUNKED, b"1\r\nxx" + SMUGGLED),
        (b"Expect: 100-continue\r\n" + length(len(SMUGGLED)), SMUGGLED),
        (b"Expect: 100-continue\r\n" + length(len(SMUGGLED)), SMUGGLED * 3),
    ],
    ids=["long", "long-in-chunks", "malformed", "malformed-end", "expecting", "not-expecting"],
)
async def test_the_connection_ends_where_the_next_request_is_far_or_could_be_anywhere(
    world: World, framing: bytes, body: bytes
) -> None:
    """Whatever follows is dropped. Chunks are only found to be too many when they come. A client
    that was refused instead of 100 may send its body or not."""
    world.upstream.forget()
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    writer.write(NOBODY + framing)
    answer = await reader.readuntil(b"\r\n\r\n")
    assert (b"\r\nConnection: close\r\n" in answer) == (framing != CHUNKED)
    writer.write(body + world.request() * 3)
    assert statuses(answer + await reader.read()) == [401]
    writer.close()
    assert world.upstream.requests == []


def upload(port: int, raw: bytes, size: int, context: ssl.SSLContext | None) -> bytes:
    """What a client gets that reads only after it has sent everything."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as plain:
        client = context.wrap_socket(plain, server_hostname="localhost") if context else plain
        client.sendall(raw)
        for _ in range(size // 100_000):
            client.sendall(b"x" * 100_000)
        answer = b""
        while data := client.recv(65536):
            answer += data
        client.close()
        return answer


EARLY = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 3_000_000


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
@pytest.mark.parametrize("refusal", ["nobody", "elsewhere", "too-large", "upstream"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
async def test_a_refusal_reaches_a_client_that_reads_once_it_has_sent_everything(
    tmp_path: Path, tls: bool, refusal: str, chunked: bool
) -> None:
    """A body of 10 MB is read to its end, and no connection to an upstream waits for it."""
    size, context = 10_000_000, None
    settings: dict[str, Any] = {}
    if tls:
        authority = Authority(tmp_path)
        context, settings = authority.client(), {"tls": authority.settings}
    limits = {"body_size": 1_000_000} if refusal == "too-large" else {}

    async def hasty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(EARLY)
        await writer.drain()
        await reader.read()

    async with running_world(tmp_path, limits=limits, **settings) as world:
        world.upstream.handle = hasty if refusal == "upstream" else None
        world.allow_clients(lingering_timeout=1.0)  # ends the wait for chunks over TLS
        path = b"/v1/projects/b/x" if refusal == "elsewhere" else b"/v1/projects/a/x"
        head = NOBODY if refusal == "nobody" else world.request(path, method=b"POST")[:-2]
        raw = head + (CHUNKED + b"%x\r\n" % size if chunked else length(size))
        answer = await asyncio.to_thread(upload, world.port, raw, size, context)
        code = {"nobody": 401, "elsewhere": 403, "too-large": 413, "upstream": 403}[refusal]
        assert statuses(answer) == [code]
        if refusal == "upstream":
            assert answer.endswith(EARLY[-3_000_000:])
        await until(lambda: not world.node.gateway.connected)
        assert len(world.log()) == 1


async def sending(world: World, size: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A client that was refused while it sends a body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    writer.write(NOBODY + length(size))
    assert status(await reader.readuntil(b"\r\n\r\n")) == 401
    return reader, writer


async def test_a_client_may_send_on_slowly_for_half_a_minute(tmp_path: Path) -> None:
    """Its line is in the log at once; its connection counts until it has ended."""
    async with running_world(tmp_path) as world:
        world.stop_clock()
        reader, writer = await sending(world, 1_000_000)
        gateway = world.node.gateway
        assert len(world.log()) == 1
        for _ in range(30):
            (connection,) = gateway.admission.connections
            moved = gateway.now
            writer.write(b"x")
            await until(lambda: connection._handler._moved_at == moved)  # type: ignore[attr-defined]  # noqa: B023
            world.pass_time(1.0)
        world.pass_time(1.0)
        await reader.read()
        await until(lambda: not gateway.connected)
        writer.close()


@pytest.mark.parametrize("size", [100, 1_000_000], ids=["short-rest", "long-rest"])
async def test_a_client_that_sends_nothing_for_some_seconds_is_closed(
    tmp_path: Path, size: int
) -> None:
    """Whether its connection would have been kept or not."""
    async with running_world(tmp_path) as world:
        world.allow_clients(linger=2.0)
        world.stop_clock()
        reader, writer = await sending(world, size)
        for _ in range(5):
            world.pass_time(1.0)
        assert world.node.gateway.connected
        for _ in range(5):
            world.pass_time(1.0)
        await reader.read()
        await until(lambda: not world.node.gateway.connected)
        writer.close()


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
async def test_a_client_that_sends_too_much_is_read_no_further(
    tmp_path: Path, tls: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then it has some seconds to read its refusal, and is closed."""
    monkeypatch.setattr(lingering, "MAX_DROPPED", 4_000_000)
    authority = Authority(tmp_path)
    settings: dict[str, Any] = {"tls": authority.settings} if tls else {}
    async with running_world(tmp_path, **settings) as world:
        context = authority.client() if tls else None
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port, ssl=context)
        writer.write(NOBODY + length(1 << 30))
        assert status(await reader.readuntil(b"\r\n\r\n")) == 401
        gateway, sent, block = world.node.gateway, 0, b"x" * 100_000
        (connection,) = gateway.admission.connections
        try:
            while sent < 200_000_000:
                writer.write(block)
                sent += len(block)
                async with asyncio.timeout(1):
                    await writer.drain()
        except TimeoutError:
            pass
        assert sent < 200_000_000
        assert not connection.transport.is_reading()
        world.allow_clients(lingering_timeout=0.1)
        await until(lambda: not gateway.connected)
        writer.transport.abort()


async def test_a_client_that_still_sends_does_not_hold_up_the_end(tmp_path: Path) -> None:
    """The gateway waits for it as for one that has only to read its response."""
    async with running_world(tmp_path, limits={"drain_timeout": PATIENCE * 10}) as world:
        world.allow_clients(
            linger=0.1, lingering_time=PATIENCE * 10, lingering_timeout=PATIENCE * 5
        )
        clients = [await sending(world, size) for size in (100, 1_000_000)]
        await asyncio.wait_for(world.node.gateway.stop(), PATIENCE)
        assert not world.node.gateway.connected
        for _, writer in clients:
            writer.transport.abort()


async def test_an_early_answer_is_relayed_with_the_upload_and_the_rest_is_dropped(
    tmp_path: Path,
) -> None:
    """While the answer lasts, both directions go on, as through Envoy. A short rest is read then,
    and the connection is kept."""
    first, last = asyncio.Event(), asyncio.Event()

    async def talkative(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
        writer.write(await reader.readexactly(2))
        first.set()
        await last.wait()
        writer.write(b"ok")
        await reader.read()

    async with running_world(tmp_path) as world:
        world.upstream.handle = talkative
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        post = world.request(
            b"/v1/projects/a/x", b"Content-Length: 10", method=b"POST", close=False
        )
        writer.write(post + b"12")
        await asyncio.wait_for(first.wait(), PATIENCE)
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"\r\nConnection:" not in head
        last.set()
        assert await reader.readexactly(4) == b"12ok"
        world.upstream.handle = None
        writer.write(b"345678" + b"90" + world.request())
        assert statuses(await reader.read()) == [200]
        writer.close()
        await until(lambda: len(world.inside.upstream) == world.inside.idle)


async def test_the_answer_of_an_upstream_that_closes_without_reading_reaches_the_client(
    tmp_path: Path,
) -> None:
    """It resets the connection while the gateway writes to it, as many servers do."""
    listening = socket.create_server(("127.0.0.1", 0))

    def answer_and_close() -> None:
        taken = 0
        while taken < 30:
            connection, _ = listening.accept()
            with connection:
                if connection.recv(65536):  # else the gateway only tried whether the port is open
                    connection.sendall(OK.replace(b"200 OK", b"413 Too Large"))
                    taken += 1

    dial = {"url": f"http://127.0.0.1:{listening.getsockname()[1]}"}
    async with running_world(tmp_path, dial=dial) as world:
        serving = asyncio.ensure_future(asyncio.to_thread(answer_and_close))
        size = 10_000_000
        raw = world.request(b"/v1/projects/a/x", b"Content-Length: %d" % size, method=b"POST")
        for _ in range(30):
            answer = await asyncio.to_thread(upload, world.port, raw, size, None)
            assert statuses(answer) == [413]
            assert answer.endswith(b"\r\n\r\nok")
        await serving
    listening.close()
