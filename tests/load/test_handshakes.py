"""Connections without a TLS handshake count like all others, and are closed in time."""

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
        """The answer to another source."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=self.authority.client(), local_addr=("127.0.0.99", 0)
        )
        writer.write(raw)
        answer = await reader.read()
        writer.close()
        return answer


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """A gateway and an admin server for each test."""
    authority = Authority(tmp_path)
    tls = authority.settings
    admin = {"listen": "127.0.0.1:0", "tls": tls}
    async with running_world(tmp_path, tls=tls, admin=admin, limits=LIMITS) as world:
        yield Served(world, authority)


async def closed(clients: list[socket.socket]) -> int:
    """The number of clients whose connection was closed by now."""
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
    """Wait until so many connections are closed."""
    async with asyncio.timeout(PATIENCE):
        while await closed(clients) < count:
            pass


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1\r\n\r\n"])
async def test_the_gateway_counts_connections_without_a_handshake(
    served: Served, sent: bytes
) -> None:
    """A source has its share of them, and each has as much time as a head; others are served."""
    world = served.world
    clients = [await asyncio.to_thread(connect, world.port, CROWD) for _ in range(60)]
    for client in clients:
        with suppress(ConnectionError):  # where it was one too many
            client.sendall(sent)
    await until_closed(clients, 30)
    assert world.node.gateway.connected <= 30
    world.allow_clients(head=PATIENCE)  # for new connections; those that are there keep theirs
    assert status(await served.ask(world.port, world.request())) == 200
    await until_closed(clients, 60)
    # A client sees its connection closed before the gateway has forgotten it.
    await until(lambda: not world.node.gateway.connected)
    assert not world.inside.sources
    for client in clients:
        client.close()


async def test_the_admin_server_counts_connections_without_a_handshake(served: Served) -> None:
    """A source has a quarter of all; its oldest ones are closed for its new ones, and others are
    served."""
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


async def test_stopping_does_not_wait_for_connections_without_a_handshake(served: Served) -> None:
    """Neither the gateway nor the admin server waits for them."""
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
