"""WebSockets and their like: bytes both ways once the upstream agreed, and never before."""

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
    """The gateway, before an upstream that echoes in capitals once it has switched."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running.upstream.requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(AGREED + b"hi ")
        while data := await reader.read(1000):
            writer.write(data.upper())
        writer.write(b" bye")

    for pool in running.node.gateway.runtime.pools.values():
        pool.close()
    running.upstream.forget()
    running.upstream.handle = echo
    yield running
    running.upstream.handle = None


async def test_bytes_go_both_ways_until_both_sides_have_ended(world: World) -> None:
    """What stood behind the head goes first; a FIN is passed on, and the other side speaks on."""
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
    answer = await world.send(raw + other + raw + b"JUNK\r\n\r\n")
    assert re.findall(rb"HTTP/1\.1 (\d{3})", answer) == [b"200", b"403", b"200", b"400"]
    assert len(world.upstream.requests) == 2
    assert b"/b/" not in world.upstream.seen


async def test_another_environment_is_refused_before_any_upgrade(world: World) -> None:
    """403 and no 101, and without a challenge for a script that cannot answer one. Frames that
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
    """Inside, a method says nothing about what is done."""
    async with world.store.write() as change:
        await change.put(Membership(1, 2, 3, Role.READONLY, 0))
    raw = world.request(b"/v1/projects/a/x", *OFFER, pair=world.user, close=False)
    assert status(await world.send(raw)) == 403
    async with world.store.write() as change:
        await change.put(Membership(1, 2, 3, Role.MEMBER, 0))
    assert status(await world.send(raw, shut=True)) == 101


async def test_an_upstream_that_switches_to_something_else_is_a_502(world: World) -> None:
    """101 must name the protocol that was offered."""
    world.upstream.handle = None
    world.upstream.respond = lambda _: AGREED.replace(b"websocket", b"other")
    answer = await world.send(world.request(b"/v1/projects/a/x", *OFFER, close=False))
    assert status(answer) == 502


async def test_a_client_that_vanishes_ends_the_upstream_side(world: World) -> None:
    """The upstream is told at once."""
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
    """However many a client opens, others are still answered; the next tunnel is refused."""
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
        pool = world.node.gateway.runtime.pools["default"]
        await until(lambda: not pool.tunnels)
        assert status(await world.send(tunnel, shut=True)) == 101


async def test_a_tunnel_of_which_one_side_ended_is_not_kept_for_the_other(tmp_path: Path) -> None:
    """An upstream that neither says anything more nor closes is not waited for long."""

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(AGREED)
        await asyncio.sleep(60)

    async with running_world(tmp_path) as world:
        world.allow_clients(half_closed=0.1)
        world.upstream.handle = mute
        tunnel = world.request(b"/v1/projects/a/x", *OFFER, close=False)
        assert status(await world.send(tunnel, shut=True)) == 101
        assert world.node.gateway.runtime.pools["default"].tunnels == 0


async def test_an_upstream_that_ends_a_tunnel_first_leaves_nothing_behind(tmp_path: Path) -> None:
    """Its connection is forgotten, whether it closed or broke."""

    async def ending(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(AGREED)
        await writer.drain()
        writer.transport.abort()

    async with running_world(tmp_path) as world:
        world.upstream.handle = ending
        for _ in range(5):
            assert status(await world.send(world.request(b"/v1/projects/a/x", *OFFER))) == 101
        pool = world.node.gateway.runtime.pools["default"]
        await until(lambda: not pool._open)
        assert (len(pool._closing), pool.tunnels) == (0, 0)
