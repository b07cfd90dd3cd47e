"""WebSockets and other tunnels: bytes pass in both directions once the upstream has agreed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from proxy.domain.model import Membership, Role
from tests.harness import OK, World, running_world, status, until
from tests.patience import PATIENCE
from tests.upstream import message_end

pytestmark = pytest.mark.asyncio(loop_scope="module")

OFFER = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Key: dGhlIHNhbXBsZQ==")
AGREED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """One gateway for all tests of this file."""
    folder: Path = tmp_path_factory.mktemp("tunnel")
    async with running_world(folder) as here:
        yield here


@pytest.fixture
def world(running: World) -> Iterator[World]:
    """The gateway, in front of an upstream that echoes in capitals once it has switched."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running.upstream.requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(AGREED + b"hi ")
        while data := await reader.read(1000):
            writer.write(data.upper())
        writer.write(b" bye")

    running.pool.close()
    running.upstream.forget()
    running.upstream.handle = echo
    yield running
    running.upstream.handle = None


async def test_bytes_pass_in_both_directions_until_both_sides_have_closed(world: World) -> None:
    """Bytes after the head go first; a FIN is passed on, and the other side may still send."""
    raw = world.request(b"/v1/projects/a/x", *OFFER, close=False)
    answer = await world.send(raw + b"early ", b"late", shut=True)
    head, _, said = answer.partition(b"\r\n\r\n")
    assert status(head) == 101
    assert b"\r\nConnection: Upgrade\r\nUpgrade: websocket" in head
    assert said == b"hi EARLY LATE bye"
    request = world.upstream.requests[0]
    assert b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" in request
    assert b"\r\nX-Wardgate-Environment: a\r\n" in request
    (line,) = [line for line in world.log() if line["path"] == "/v1/projects/a/x"]
    assert (line["status"], line["in"], line["out"]) == (101, 10, 17)


async def test_nothing_passes_before_the_upstream_agrees(world: World) -> None:
    """An upstream that answers otherwise answers a plain request; the client's bytes belonged to no
    tunnel, and are judged as requests are."""
    world.upstream.handle = None
    world.upstream.respond = lambda _: OK
    raw = world.request(b"/v1/projects/a/x", *OFFER, close=False)
    other = world.request(b"/v1/projects/b/x", close=False)
    answer = await world.send(raw + other + raw + b"JUNK\r\n\r\n", shut=True)
    assert re.findall(rb"HTTP/1\.1 (\d{3})", answer) == [b"200", b"403", b"200", b"400"]
    assert len(world.upstream.requests) == 2
    assert b"/b/" not in world.upstream.seen


async def test_an_upgrade_in_another_environment_is_refused(world: World) -> None:
    """The status is 403, and a 401 has no challenge, which a script could not answer. Frames that
    follow are no requests."""
    raw = world.request(b"/v1/projects/b/x", *OFFER, close=False)
    answer = await world.send(raw + b"\x81\x85JUNK\r\n", shut=True)
    assert re.findall(rb"HTTP/1\.1 (\d{3})", answer) == [b"403", b"400"]
    bare = b"GET /v1/projects/a/x HTTP/1.1\r\nHost: h\r\n" + b"\r\n".join(OFFER) + b"\r\n\r\n"
    refused = await world.send(bare, shut=True)
    assert status(refused) == 401
    assert b"WWW-Authenticate" not in refused
    assert world.upstream.requests == []


async def test_a_readonly_role_opens_no_tunnel(world: World) -> None:
    """Inside a tunnel no method tells reading from writing."""
    async with world.store.write() as change:
        await change.put(Membership(1, 2, 3, Role.READONLY, 0))
    raw = world.request(b"/v1/projects/a/x", *OFFER, pair=world.user, close=False)
    assert status(await world.send(raw, shut=True)) == 403
    async with world.store.write() as change:
        await change.put(Membership(1, 2, 3, Role.MEMBER, 0))
    assert status(await world.send(raw, shut=True)) == 101


async def test_a_switch_to_a_protocol_that_was_not_offered_is_a_502(world: World) -> None:
    """101 must name the protocol that was offered."""
    world.upstream.handle = None
    world.upstream.respond = lambda _: AGREED.replace(b"websocket", b"other")
    answer = await world.send(world.request(b"/v1/projects/a/x", *OFFER))
    assert status(answer) == 502


async def test_a_client_that_vanishes_ends_the_upstream_side_of_its_tunnel(world: World) -> None:
    """The upstream learns it at once."""
    ended = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(AGREED)
        await reader.read()
        ended.set()

    world.upstream.handle = wait
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    writer.write(world.request(b"/v1/projects/a/x", *OFFER, close=False))
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()
    await asyncio.wait_for(ended.wait(), PATIENCE)


async def test_tunnels_leave_half_of_the_connections_to_requests(tmp_path: Path) -> None:
    """However many a client opens, requests are still served; one more tunnel is refused."""
    async with running_world(tmp_path, dial={"max_connections": 4}) as world:
        tunnel = world.request(b"/v1/projects/a/x", *OFFER, close=False)
        world.upstream.respond = lambda request: AGREED if b"Upgrade: w" in request else OK
        held = []
        for expected in (101, 101, 503, 503):
            reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
            writer.write(tunnel)
            assert status(await reader.readuntil(b"\r\n\r\n")) == expected
            held.append(writer)
        assert status(await world.send(world.request())) == 200
        for writer in held:
            writer.transport.abort()
        pool = world.pool
        await until(lambda: not pool.tunnels)
        assert status(await world.send(tunnel, shut=True)) == 101


async def test_a_tunnel_with_one_side_closed_ends_sooner(tmp_path: Path) -> None:
    """An upstream that neither sends more nor closes has only the `half_closed` timeout."""

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(AGREED)
        await asyncio.sleep(60)

    async with running_world(tmp_path) as world:
        world.allow_clients(half_closed=0.1)
        world.upstream.handle = mute
        tunnel = world.request(b"/v1/projects/a/x", *OFFER, close=False)
        assert status(await world.send(tunnel, shut=True)) == 101
        assert world.pool.tunnels == 0


async def test_a_tunnel_that_the_upstream_ends_leaves_no_connection(tmp_path: Path) -> None:
    """The pool forgets the connection."""

    async def ending(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(AGREED)
        await writer.drain()
        writer.transport.abort()

    async with running_world(tmp_path) as world:
        world.upstream.handle = ending
        for _ in range(5):
            assert status(await world.send(world.request(b"/v1/projects/a/x", *OFFER))) == 101
        pool = world.pool
        await until(lambda: not pool._open)
        assert (len(pool._closing), pool.tunnels) == (0, 0)


EXEC = (b"Connection: Upgrade", b"Upgrade: tcp", b"Content-Type: application/json")
HIJACKED = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def raw_streams(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A gateway with a route on which clients may upgrade to `tcp`, as docker's do, and to
    WebSocket."""
    route = {"path": "/v1/projects/{environment}/**", "upgrades": ["websocket", "tcp"]}
    async with running_world(tmp_path_factory.mktemp("tcp"), routes=[route]) as here:
        yield here


@pytest.fixture
def docker(raw_streams: World) -> Iterator[World]:
    """That gateway before an upstream that reads a whole request, then echoes in capitals."""

    async def hijack(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = b""
        while message_end(request) is None:
            request += await reader.readexactly(1)
        raw_streams.upstream.requests.append(request)
        writer.write(HIJACKED)
        while data := await reader.read(1000):
            writer.write(data.upper())

    raw_streams.renew()
    raw_streams.upstream.handle = hijack
    yield raw_streams
    raw_streams.upstream.handle = None


@pytest.mark.parametrize(
    ("method", "framing", "body"),
    [
        (b"POST", b"Content-Length: 14", b'{"Tty": false}'),
        (b"POST", b"Transfer-Encoding: chunked", b'e\r\n{"Tty": false}\r\n0\r\n\r\n'),
        (b"PUT", b"Content-Length: 14", b'{"Tty": false}'),
        (b"POST", b"X: y", b""),
        (b"POST", b"Content-Length: 0", b""),
        (b"GET", b"X: y", b""),
        (b"GET", b"Content-Length: 14", b'{"Tty": false}'),
        (b"HEAD", b"X: y", b""),
        (b"DELETE", b"X: y", b""),
    ],
)
@pytest.mark.parametrize("pieces", [1, 2, 3], ids=["at-once", "early", "late"])
async def test_any_method_may_upgrade_once_its_whole_body_was_sent(
    docker: World, method: bytes, framing: bytes, body: bytes, pieces: int
) -> None:
    """The body goes first, whole, and what stands behind it is the tunnel's, however it arrives."""
    head = docker.request(b"/v1/projects/a/exec", *EXEC, framing, method=method, close=False)
    parts = {1: [head + body + b"ls"], 2: [head, body + b"ls"], 3: [head, body, b"ls"]}[pieces]
    answer = await docker.send(*parts, shut=True)
    assert answer.startswith(b"HTTP/1.1 101 UPGRADED\r\n")
    assert answer.partition(b"\r\n\r\n")[2] == b"LS"
    (request,) = docker.upstream.requests
    assert request.endswith(b"\r\n\r\n" + body)
    assert b"\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n" in request
    assert b"close" not in request  # a connection that carried a body is not used again anyway


async def test_what_follows_the_body_is_a_request_where_the_upstream_declines(
    docker: World,
) -> None:
    """It does not go upstream before that, and is judged like any other."""
    docker.upstream.handle = None
    lines = (*EXEC, b"Content-Length: 2")
    raw = docker.request(b"/v1/projects/a/exec", *lines, method=b"POST", close=False) + b"{}"
    other = docker.request(b"/v1/projects/b/exec", *EXEC, close=False)
    answer = await docker.send(raw + other + raw, shut=True)
    assert re.findall(rb"HTTP/1\.1 (\d{3})", answer) == [b"200", b"403", b"200"]
    assert b"/b/" not in docker.upstream.seen


async def test_an_upstream_that_switches_before_the_request_is_whole_is_a_502(
    docker: World,
) -> None:
    """The rest of the body would be the first bytes of the tunnel."""

    async def hasty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HIJACKED)
        docker.upstream.requests.append(await reader.read())

    docker.upstream.handle = hasty
    lines = (*EXEC, b"Content-Length: 9")
    raw = docker.request(b"/v1/projects/a/exec", *lines, method=b"POST", close=False)
    assert status(await docker.send(raw + b"half")) == 502
    assert docker.pool.tunnels == 0


async def test_a_websocket_is_a_get_without_a_body_wherever_others_are_not(docker: World) -> None:
    """RFC 6455 section 4.1. Nothing goes upstream."""
    for method, line in ((b"POST", b"X: y"), (b"GET", b"Content-Length: 2")):
        raw = docker.request(b"/v1/projects/a/x", *OFFER, line, method=method, close=False)
        assert status(await docker.send(raw + b"{}", shut=True)) == 400
    assert docker.upstream.requests == []


async def test_a_route_that_does_not_list_the_protocol_ignores_the_offer(world: World) -> None:
    """The request goes on as any other, without the offer."""
    world.upstream.handle = None
    world.upstream.respond = lambda _: OK
    lines = (*EXEC, b"Content-Length: 2")
    raw = world.request(b"/v1/projects/a/exec", *lines, method=b"POST", close=False) + b"{}"
    answer = await world.send(raw + raw, shut=True)
    assert re.findall(rb"HTTP/1\.1 (\d{3})", answer) == [b"200", b"200"]
    assert b"\r\nUpgrade:" not in world.upstream.seen
