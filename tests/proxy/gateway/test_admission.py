"""Admission: file handles are shared out in advance, and each source has a limit of connections."""

from __future__ import annotations

import asyncio
import resource
from pathlib import Path

import pytest

from proxy.config.model import Config
from proxy.gateway.admission import OWN, raise_limit, share
from proxy.gateway.downstream import Downstream
from proxy.http1.forwarding import Peer
from tests.harness import World, running_world, status, until

UPSTREAM = {"url": "http://127.0.0.1:9000"}


def config(*, admin: bool = True, **upstreams: int) -> Config:
    """A configuration whose upstreams have these `max_connections`."""
    given = {name: UPSTREAM | {"max_connections": most} for name, most in upstreams.items()}
    listening = {"listen": "127.0.0.1:0"}
    return Config.model_validate(
        listening | {"upstreams": given, "admin": listening if admin else None}
    )


def test_with_enough_file_handles_each_part_has_its_configured_connections() -> None:
    """The admin server has its highest number."""
    clients, upstreams, admin = share(config(a=512, b=100), 20_000)
    assert (clients, upstreams, admin) == (16_000, {"a": 512, "b": 100}, 256)


@pytest.mark.parametrize("handles", [100, 256, 1024, 4096, 16_384])
@pytest.mark.parametrize("admin", [True, False])
def test_the_shares_never_exceed_the_file_handles(handles: int, admin: bool) -> None:
    """The process keeps what it needs for itself, and clients and upstreams have a third each."""
    clients, upstreams, admin_share = share(config(admin=admin, a=512, b=100), handles)
    assert clients + sum(upstreams.values()) + admin_share + OWN <= handles
    assert clients >= (handles - OWN) // 3
    assert sum(upstreams.values()) >= min(611, (handles - OWN) // 3)
    assert bool(admin_share) == admin


def test_each_share_is_at_least_one_connection() -> None:
    """With hardly any file handles, something still works."""
    clients, upstreams, _ = share(config(a=512, b=1), 50)
    assert (clients, upstreams["b"]) >= (1, 1)


def test_the_soft_limit_of_file_handles_is_raised_to_the_hard_limit() -> None:
    """The limit that is returned is the one in force."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, before[1]), before[1]))
    try:
        assert raise_limit() == before[1]
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == before[1]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_a_source_beyond_its_limit_of_connections_is_not_admitted(tmp_path: Path) -> None:
    """The next connection is closed; once one has ended, there is room again."""
    async with running_world(tmp_path, limits={"connections_per_source": 2}) as world:
        gateway = world.node.gateway
        held = [await asyncio.open_connection("127.0.0.1", world.port) for _ in range(2)]
        await until(lambda: gateway.connected == 2)
        assert await ask(world) == b""
        held[0][1].close()
        await until(lambda: gateway.connected == 1)
        assert status(await ask(world)) == 200
        held[1][1].close()


async def ask(world: World) -> bytes:
    """The answer to a request, or nothing where the connection is refused."""
    try:
        return await world.send(world.request())
    except ConnectionError:
        return b""


async def test_an_ipv6_network_of_64_bits_is_one_source(tmp_path: Path) -> None:
    """A customer has at least one such network, with any number of addresses."""
    async with running_world(tmp_path, limits={"connections_per_source": 2}) as world:
        gateway = world.node.gateway

        def come(address: str) -> Downstream:
            client = Downstream(gateway)
            client.peer = Peer(address, "http", trusted=False)
            client.admitted = gateway.admit(client)
            return client

        first, second, third = (come(f"2001:db8::{number}") for number in (1, 2, 3))
        assert (first.admitted, second.admitted, third.admitted) == (True, True, False)
        elsewhere = come("2001:db8:0:1::1")
        assert elsewhere.admitted
        gateway.leave(first)
        fourth = come("2001:db8::4")
        assert fourth.admitted
        for client in (second, fourth, elsewhere):
            gateway.leave(client)
        assert not gateway.admission._sources
