"""A right that ends also ends the requests that are under way by it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.domain.clock import now_ms
from proxy.domain.model import Account, State
from tests.harness import World, running_world, status, until
from tests.patience import PATIENCE
from tests.proxy.gateway.test_tunnel import AGREED, OFFER

BEGINNING = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n"


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An upstream that accepts a tunnel, or begins a response, and goes on for ever."""
    request = await reader.readuntil(b"\r\n\r\n")
    writer.write(AGREED if b"Upgrade: websocket" in request else BEGINNING)
    while True:
        await asyncio.sleep(0.1)
        writer.write(b"1\r\nx\r\n")
        await writer.drain()


@asynccontextmanager
async def begun(world: World, *fields: bytes) -> AsyncIterator[asyncio.StreamReader]:
    """A response, or with `OFFER` a tunnel, that a user's key has begun in environment a."""
    world.upstream.handle = endless
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    writer.write(world.request(b"/v1/projects/a/x", *fields, pair=world.user, close=False))
    assert status(await reader.readuntil(b"\r\n\r\n")) in {101, 200}
    yield reader
    writer.transport.abort()


async def cut(reader: asyncio.StreamReader) -> None:
    """Read until the connection is reset, or closed before the end of the response."""
    said = b""
    try:
        while data := await reader.read(1000):
            said += data
    except ConnectionError:
        pass
    assert not said.endswith(b"0\r\n\r\n")


async def deactivate_key(world: World) -> None:
    await world.put(replace(world.user.key, state=State.INACTIVE))


async def expire_key(world: World) -> None:
    await world.put(replace(world.user.key, expires=now_ms() + 1))


async def deactivate_account(world: World) -> None:
    account = await world.store.get_account(2)
    assert isinstance(account, Account)
    await world.put(replace(account, state=State.INACTIVE))


async def deactivate_environment(world: World) -> None:
    await world.put(replace(world.environment_a, state=State.INACTIVE))


async def end_membership(world: World) -> None:
    async with world.store.write() as change:
        membership = await change.get_membership(2, 3)
        assert membership
        await change.end_membership(membership)


async def rotate_at_once(world: World) -> None:
    await world.put(replace(world.user.key, secret_hash=world.admin.key.secret_hash))


ENDS = [
    deactivate_key,
    expire_key,
    deactivate_account,
    deactivate_environment,
    end_membership,
    rotate_at_once,
]


@pytest.mark.parametrize("fields", [(), OFFER], ids=["answer", "tunnel"])
@pytest.mark.parametrize("end", ENDS)
async def test_a_request_under_way_is_cut_when_its_right_ends(
    tmp_path: Path, end: Callable[[World], Awaitable[None]], fields: tuple[bytes, ...]
) -> None:
    """The log has the reason, and the connection to the upstream is free again."""
    async with running_world(tmp_path) as world, begun(world, *fields) as reader:
        await end(world)
        await asyncio.wait_for(cut(reader), PATIENCE)
        (line,) = world.log()
        assert line["reason"] == "revoked"
        pool = world.pool
        await until(lambda: (len(pool._open), pool.tunnels) == (0, 0))


async def use_a_key_that_expires(world: World, moment: int) -> None:
    await world.put(replace(world.user.key, expires=moment))


async def use_a_secret_that_is_rotated(world: World, moment: int) -> None:
    old, new = world.user.key.secret_hash, world.admin.key.secret_hash
    rotated = replace(world.user.key, secret_hash=new, previous_hash=old, previous_until=moment)
    await world.put(rotated)


@pytest.mark.parametrize("fields", [(), OFFER], ids=["answer", "tunnel"])
@pytest.mark.parametrize("use", [use_a_key_that_expires, use_a_secret_that_is_rotated])
async def test_a_request_under_way_is_cut_when_its_key_or_secret_expires(
    tmp_path: Path, use: Callable[[World, int], Awaitable[None]], fields: tuple[bytes, ...]
) -> None:
    """The moment was known when the request began, and no record changes meanwhile."""
    async with running_world(tmp_path) as world:
        gateway = world.node.gateway
        world.stop_clock()
        moment = gateway.wall + 3000
        world.node.authenticator.clock = lambda: gateway.wall
        await use(world, moment)
        revision = gateway.runtime.decider.version
        async with begun(world, *fields) as reader:
            for _ in range(2):
                world.pass_time(1.0)
                assert await reader.readexactly(10)
            assert world.log() == []
            world.pass_time(1.0)
            await asyncio.wait_for(cut(reader), PATIENCE)
            (line,) = world.log()
            assert line["reason"] == "revoked"
            assert gateway.runtime.decider.version == revision


async def test_a_request_that_is_still_permitted_goes_on(tmp_path: Path) -> None:
    """Changes of other keys, and changes that end no right, cut nothing."""
    async with running_world(tmp_path) as world, begun(world) as reader:
        await world.put(replace(world.key_b.key, state=State.INACTIVE))
        await world.put(replace(world.user.key, name="renamed", expires=now_ms() + 3_600_000))
        assert await reader.readexactly(10) == b"5\r\nbegun\r\n"
        for _ in range(30):
            assert await reader.readexactly(6) == b"1\r\nx\r\n"


async def test_a_request_without_a_response_is_refused_when_its_right_ends(tmp_path: Path) -> None:
    """It gets the status that a new request would get."""
    arrived = asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        arrived.set()
        await reader.read()

    async with running_world(tmp_path) as world:
        world.upstream.handle = mute
        asking = asyncio.ensure_future(
            world.send(world.request(b"/v1/projects/a/x", pair=world.user))
        )
        await arrived.wait()
        await deactivate_key(world)
        assert status(await asyncio.wait_for(asking, PATIENCE)) == 401
