"""What becomes of the connections to the upstreams when the configuration changes."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from proxy.config.upstream import Upstream
from proxy.gateway.pools import OWN_OF_POOL, same_server
from tests.harness import OK, RecordingUpstream, running_world, status, until
from tests.reloading import Reloading

GET = (b"/v1/projects/a/x",)


@asynccontextmanager
async def another() -> AsyncIterator[RecordingUpstream]:
    """Another upstream."""
    upstream = RecordingUpstream()
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    upstream.port = server.sockets[0].getsockname()[1]
    yield upstream
    server.close()


async def test_an_unchanged_upstream_keeps_its_connections(tmp_path: Path) -> None:
    """Whatever else is changed, its own limits and timeouts and what it is sent included."""
    token = tmp_path / "token"
    token.write_text("Bearer new")
    async with running_world(tmp_path) as world:
        reloading, pool = Reloading(world), world.pool
        assert status(await world.send(world.request())) == 200
        connections = len(world.upstream.connections)
        await reloading.set(limits={"fields": 50}, public_url="http://public")
        await reloading.set_upstream(max_connections=5, queue=3, authorization_file=str(token))
        assert world.pool is pool
        assert (pool.dial.max_connections, pool.dial.queue) == (5, 3)
        assert status(await world.send(world.request())) == 200
        assert len(world.upstream.connections) == connections
        assert b"\r\nAuthorization: Bearer new\r\n" in world.upstream.requests[-1]


def test_each_setting_of_an_upstream_that_is_not_the_pools_own_needs_a_new_pool() -> None:
    """A setting that nobody has thought about is one of these."""
    assert Upstream.model_fields.keys() > OWN_OF_POOL
    one = Upstream.model_validate({"url": "https://h"})
    assert same_server(one, Upstream.model_validate({"url": "https://h", "queue": 1}))
    for change in ({"url": "https://i"}, {"verify": False}, {"server_name": "i"}):
        assert not same_server(one, Upstream.model_validate({"url": "https://h"} | change))


async def test_a_changed_upstream_is_reached_at_its_new_place_by_kept_connections(
    tmp_path: Path,
) -> None:
    """From the next request on; the connections to the old place are closed."""
    async with another() as other, running_world(tmp_path) as world:
        reloading, old = Reloading(world), weakref.ref(world.pool)
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        for upstream in (world.upstream, other):
            for _ in range(2):
                upstream.requests.clear()
                writer.write(world.request(*GET, close=False))
                assert status(await reader.readuntil(b"\r\n\r\nok")) == 200
                assert len(upstream.requests) == 1
            await reloading.set_upstream(url=f"http://127.0.0.1:{other.port}")
        writer.close()

        def is_gone() -> bool:
            gc.collect()
            return old() is None

        await until(is_gone)


async def test_a_request_in_progress_ends_at_the_upstream_where_it_began(tmp_path: Path) -> None:
    """Even if that is not configured any more; also one that waits for a connection there."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            begun.set()
            await go_on.wait()
            writer.write(OK)

    dial = {"max_connections": 1}
    async with another() as other, running_world(tmp_path, dial=dial) as world:
        world.upstream.handle = slow
        first = asyncio.ensure_future(world.send(world.request()))
        await begun.wait()
        second = asyncio.ensure_future(world.send(world.request()))
        await until(lambda: world.inside.waiting == 1)
        old = world.pool
        await Reloading(world).set(
            upstreams={"new": {"url": f"http://127.0.0.1:{other.port}"}}, routes=[{"path": "/**"}]
        )
        pair = world.admin
        assert status(await world.send(world.request(b"/x", pair=pair))) == 200
        assert len(other.requests) == 1
        go_on.set()
        assert [status(each) for each in await asyncio.gather(first, second)] == [200, 200]
        assert len(other.requests) == 1
        await until(lambda: not old._open)


async def test_requests_that_wait_get_the_connections_of_a_higher_limit(tmp_path: Path) -> None:
    """And where the limit is lower, the connections beyond it are closed."""
    go_on = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            await go_on.wait()
            writer.write(OK)

    async with running_world(tmp_path, dial={"max_connections": 1}) as world:
        world.upstream.handle = slow
        asking = [asyncio.ensure_future(world.send(world.request())) for _ in range(6)]
        await until(lambda: world.inside.waiting == 5)
        reloading = Reloading(world)
        await reloading.set_upstream(max_connections=4)
        await until(lambda: (len(world.inside.upstream), world.inside.waiting) == (4, 2))
        await reloading.set_upstream(max_connections=2)
        go_on.set()
        assert [status(each) for each in await asyncio.gather(*asking)] == [200] * 6
        await until(lambda: len(world.inside.upstream) <= 2)


async def test_only_upstreams_in_use_are_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A new one is tried at once, and the failure of a removed one is forgotten."""
    async with running_world(tmp_path) as world:
        reloading, health = Reloading(world), world.node.gateway.telemetry.health
        good = f"http://127.0.0.1:{world.upstream.port}"
        with caplog.at_level(logging.WARNING, "wardgate"):
            await reloading.set(
                upstreams={"default": {"url": good}, "bad": {"url": "http://127.0.0.1:1"}}
            )
            await until(lambda: health.current)
            assert health.current[0].startswith("upstream bad (http://127.0.0.1:1) does not answer")
            await reloading.set(upstreams={"default": {"url": good}})
            assert health.current == []
    assert len(caplog.messages) == 1
