"""Connections that never shake hands count like all others, and are let go."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.harness import World, running_world, status, until
from tests.load.crowd import CROWD, connect
from tests.patience import PATIENCE
from tests.test_tls import Authority

LIMITS = {"head_timeout": 2, "connections_per_source": 30, "connections": 100}


@dataclass(frozen=True)
class Served:
    """A gateway and an admin server over TLS."""

    world: World
    authority: Authority

    @property
    def admin(self) -> int:
        """The admin server's port."""
        return int(self.world.node.admin_urls[0].rpartition(":")[2])

    async def ask(self, port: int, raw: bytes) -> bytes:
        """What somebody is told, from elsewhere."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=self.authority.client(), local_addr=("127.0.0.99", 0)
        )
        writer.write(raw)
        answer = await reader.read()
        writer.close()
        return answer


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """One for each test."""
    authority = Authority(tmp_path)
    tls = {"certificate": str(authority.chain), "key": str(authority.key)}
    admin = {"listen": "127.0.0.1:0", "tls": tls}
    async with running_world(tmp_path, tls=tls, admin=admin, limits=LIMITS) as world:
        yield Served(world, authority)


async def closed(clients: list[socket.socket]) -> int:
    """How many of them the other side has closed by now."""
    await asyncio.sleep(0.1)
    count = 0
    for client in clients:
        client.setblocking(False)
        try:
            count += client.recv(100) == b""
        except BlockingIOError:
            pass
        except ConnectionError:
            count += 1
    return count


async def until_closed(clients: list[socket.socket], count: int) -> None:
    """Until so many are."""
    async with asyncio.timeout(PATIENCE):
        while await closed(clients) < count:
            pass


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1\r\n\r\n"])
async def test_the_gateway_counts_them(served: Served, said: bytes) -> None:
    """A source has its share of them, and they have the time of a head; others are served."""
    world = served.world
    clients = [await asyncio.to_thread(connect, world.port, CROWD) for _ in range(60)]
    for client in clients:
        with suppress(ConnectionError):  # where it was one too many
            client.sendall(said)
    await until_closed(clients, 30)
    assert world.node.gateway.connected <= 30
    world.allow_clients(head=PATIENCE)  # from here on: who is there now has what there was
    assert status(await served.ask(world.port, world.request())) == 200
    await until_closed(clients, 60)
    # A client hears of its end before the gateway's end of it is over.
    await until(lambda: not world.node.gateway.connected)
    assert not world.node.gateway.admission._sources
    for client in clients:
        client.close()


async def test_the_admin_server_counts_them(served: Served) -> None:
    """A source has a quarter of them, and they make room for their own; others are answered."""
    most = served.world.node.gateway.shares.admin // 4
    clients = [await asyncio.to_thread(connect, served.admin, CROWD) for _ in range(most + 20)]
    await until_closed(clients[:20], 20)
    assert await closed(clients[20:]) == 0
    raw = b"GET /v2-beta HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    answer = await served.ask(served.admin, raw + served.world.admin.basic + b"\r\n")
    assert status(answer) == 200
    assert b'"https://' in answer
    for client in clients:
        client.close()


async def test_stopping_does_not_wait_for_them(served: Served) -> None:
    """Neither at the gateway nor at the admin server."""
    clients = [
        await asyncio.to_thread(connect, port, CROWD)
        for port in (served.world.port, served.admin)
        for _ in range(5)
    ]
    await closed(clients)
    await served.world.node.__aexit__()
    await until_closed(clients, 10)
    for client in clients:
        client.close()
