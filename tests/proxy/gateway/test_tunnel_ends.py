"""How the gateway ends a tunnel: it tells a WebSocket why, wherever a frame has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from websockets.frames import Close, Frame, Opcode

from proxy.domain.model import State
from tests.harness import World, running_world, status, until
from tests.patience import PATIENCE
from tests.proxy.gateway.test_tunnel import AGREED, HIJACKED, OFFER
from tests.test_tls import Authority

TEXT = Frame(Opcode.TEXT, b"hello")
TO_CLIENT, TO_UPSTREAM = TEXT.serialize(mask=False), TEXT.serialize(mask=True)
TCP = (b"Connection: Upgrade", b"Upgrade: tcp")


@dataclass
class Side:
    """What one side of a tunnel gets after the first bytes, and whether it is reset."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    got: bytes = b""
    reset: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self) -> None:
        """Read to the end."""
        try:
            while data := await self.reader.read(65536):
                self.got += data
        except ConnectionError:
            self.reset = True
        self.ended.set()

    @property
    def code(self) -> int | None:
        """The code of the close frame that came, unmasked or under a mask; None without one."""
        if not self.got:
            return None
        head, rest = self.got[:2], self.got[2:]
        assert head in {b"\x88\x02", b"\x88\x82"}
        if head[1] & 0x80:
            rest = bytes(a ^ b for a, b in zip(rest[4:], rest[:4], strict=False))
        return Close.parse(rest).code


@asynccontextmanager
async def tunnel(
    world: World,
    *,
    down: bytes = TO_CLIENT,
    up: bytes = TO_UPSTREAM,
    offer: tuple[bytes, ...] = OFFER,
    tls: Authority | None = None,
) -> AsyncIterator[tuple[Side, Side]]:
    """(client, upstream) of a tunnel through which `up` and `down` have passed."""
    there: asyncio.Future[Side] = asyncio.get_running_loop().create_future()

    async def agree(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write((AGREED if offer is OFFER else HIJACKED) + down)
        await reader.readexactly(len(up))
        side = Side(reader, writer)
        there.set_result(side)
        await side.listen()

    world.upstream.handle = agree
    context = tls.client() if tls else None
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port, ssl=context)
    writer.write(world.request(b"/v1/projects/a/x", *offer, pair=world.user, close=False) + up)
    assert status(await reader.readuntil(b"\r\n\r\n")) == 101
    assert await reader.readexactly(len(down)) == down
    client = Side(reader, writer)
    listening = asyncio.ensure_future(client.listen())
    yield client, await asyncio.wait_for(there, PATIENCE)
    writer.transport.abort()
    with suppress(ConnectionError):
        await listening


async def ended(*sides: Side) -> None:
    for side in sides:
        await asyncio.wait_for(side.ended.wait(), PATIENCE)


async def revoke(world: World) -> None:
    await world.put(replace(world.user.key, state=State.INACTIVE))


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
@pytest.mark.parametrize("revoked", [False, True], ids=["drained", "revoked"])
async def test_a_websocket_is_told_on_both_sides_why_it_ends(
    tmp_path: Path, revoked: bool, tls: bool
) -> None:
    """1001 where the gateway stops, 1008 where the right has ended; then a FIN, no reset."""
    authority = Authority(tmp_path) if tls else None
    more = {"tls": authority.settings} if authority else {}
    limits = {"tunnel_drain": 0, "drain_timeout": PATIENCE * 10}
    async with (
        running_world(tmp_path, None, None, limits=limits, **more) as world,
        tunnel(world, tls=authority) as (client, upstream),
    ):
        if revoked:
            await revoke(world)
        else:
            world.allow_clients(linger=0.1)
            await asyncio.wait_for(world.node.gateway.stop(), PATIENCE)
        await ended(client, upstream)
        assert (client.code, upstream.code) == ((1008, 1008) if revoked else (1001, 1001))
        assert not client.reset
        assert not upstream.reset
        (line,) = world.log()
        assert line["reason"] == ("revoked" if revoked else "shutting-down")
        assert world.pool.tunnels == 0


CUT = [
    pytest.param(TO_CLIENT[:3], TO_UPSTREAM, (None, 1008), id="within-a-frame-to-the-client"),
    pytest.param(TO_CLIENT, TO_UPSTREAM[:1], (1008, None), id="within-a-frame-to-the-upstream"),
    pytest.param(TO_CLIENT + b"JUNK", TO_UPSTREAM, (None, 1008), id="malformed"),
    pytest.param(b"\x01\x01x\x89\x00", TO_UPSTREAM, (1008, 1008), id="between-fragments"),
]


@pytest.mark.parametrize(("down", "up", "codes"), CUT)
async def test_a_side_within_a_frame_is_reset(
    tmp_path: Path, down: bytes, up: bytes, codes: tuple[int | None, int | None]
) -> None:
    """Nobody takes a close frame for a part of a message, or half a message for a whole one."""
    async with (
        running_world(tmp_path) as world,
        tunnel(world, down=down, up=up) as (client, upstream),
    ):
        await revoke(world)
        await ended(client, upstream)
        assert (client.code, upstream.code) == codes


async def test_a_websocket_that_is_closing_gets_no_second_close_frame(tmp_path: Path) -> None:
    """RFC 6455 section 5.5.1."""
    close = Frame(Opcode.CLOSE, Close(1000, "").serialize()).serialize(mask=False)
    async with (
        running_world(tmp_path) as world,
        tunnel(world, down=TO_CLIENT + close) as (client, upstream),
    ):
        await revoke(world)
        await ended(client, upstream)
        assert (client.got, upstream.code) == (b"", 1008)


@pytest.mark.parametrize("revoked", [False, True], ids=["drained", "revoked"])
async def test_a_tunnel_of_another_protocol_gets_no_byte_of_the_gateway(
    tmp_path: Path, revoked: bool
) -> None:
    """What looks like frames is none."""
    routes = [{"path": "/v1/projects/{environment}/**", "upgrades": ["tcp"]}]
    limits = {"tunnel_drain": 0, "drain_timeout": PATIENCE * 10}
    async with (
        running_world(tmp_path, routes=routes, limits=limits) as world,
        tunnel(world, offer=TCP) as (client, upstream),
    ):
        if revoked:
            await revoke(world)
        else:
            world.allow_clients(linger=0.1)
            await asyncio.wait_for(world.node.gateway.stop(), PATIENCE)
        await ended(client, upstream)
        assert (client.got, upstream.got) == (b"", b"")


async def test_a_tunnel_in_use_ends_with_the_drain_and_a_silent_one_before(tmp_path: Path) -> None:
    """A tunnel is silent while no byte passes in either direction, since before the drain too."""
    async with running_world(tmp_path, limits={"tunnel_drain": 5, "drain_timeout": 0}) as world:
        gateway = world.node.gateway
        async with tunnel(world) as (silent, _), tunnel(world) as (busy, other):
            world.stop_clock()
            gateway.draining = True
            for number in range(1, 8):
                busy.writer.write(TO_UPSTREAM)
                await until(lambda: len(other.got) == number * len(TO_UPSTREAM))  # noqa: B023
                world.pass_time(1.0)
            await ended(silent)
            assert silent.code == 1001
            assert not busy.ended.is_set()
            await gateway.stop()
            await ended(busy)
            assert busy.code == 1001


async def test_a_revoked_client_that_does_not_read_is_reset(tmp_path: Path) -> None:
    """It gets nothing more of what waits for it in the gateway's memory."""

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(AGREED)
        block = Frame(Opcode.BINARY, bytes(1000)).serialize(mask=False)
        while True:
            writer.write(block)
            await writer.drain()

    async with running_world(tmp_path) as world:
        world.upstream.handle = flood
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port, limit=1024)
        writer.write(world.request(b"/v1/projects/a/x", *OFFER, pair=world.user, close=False))
        await reader.readuntil(b"\r\n\r\n")
        await until(lambda: max(world.inside.unsent) > 0 and world.inside.holds_back)
        await revoke(world)
        await until(lambda: not world.node.gateway.connected)
        writer.transport.abort()
