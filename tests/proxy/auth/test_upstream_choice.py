"""A route that divides its requests among upstreams, as for a canary."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from proxy.auth.explain import explain
from proxy.auth.upstream_choice import divided
from proxy.domain.authorization import Verdict
from proxy.domain.model import Deny, Permit, Reason
from proxy.domain.routes import Access, Route
from proxy.domain.split import Split
from tests.harness import RecordingUpstream, World, new_key, running_world, status
from tests.reloading import Reloading

EVEN = {"default": 50, "canary": 50}


@asynccontextmanager
async def split_world(folder: Path, **settings: Any) -> AsyncIterator[tuple[World, dict[str, Any]]]:
    """A gateway whose route is divided between the upstreams `default` and `canary`."""
    upstreams = {"default": RecordingUpstream(), "canary": RecordingUpstream()}
    servers = {
        name: await asyncio.start_server(each.serve, "127.0.0.1", 0)
        for name, each in upstreams.items()
    }
    urls = {
        name: {"url": f"http://127.0.0.1:{each.sockets[0].getsockname()[1]}"}
        for name, each in servers.items()
    }
    routes = [{"path": "/v1/projects/{environment}/**", "upstream": EVEN} | settings]
    upstreams["default"].came.set()
    async with running_world(folder, upstreams["default"], upstreams=urls, routes=routes) as world:
        yield world, upstreams
    for server in servers.values():
        server.close()


async def test_one_key_always_sees_one_upstream_and_explain_tells_which(tmp_path: Path) -> None:
    """On connections of its own and on kept ones, also after a reload, and the access log names
    it. Keys see both."""
    async with split_world(tmp_path) as (world, upstreams):
        runtime, chosen = world.node.gateway.runtime, {}
        for number in range(100, 112):
            pair = new_key(world.store, number, environment_id=3)
            await world.put(pair.key)
            verdict = await explain(runtime.decider, pair.key, "GET", "/v1/projects/a/x", 8192)
            chosen[number] = verdict.upstream
            for _ in range(2):
                raw = world.request(pair=pair, close=False) * 2 + world.request(pair=pair)
                assert (await world.send(raw)).count(b"HTTP/1.1 200") == 3
                await Reloading(world).set(public_url="http://public")
            assert {line.get("upstream") for line in world.log()[-6:]} == {verdict.upstream}
            key = b"\r\nX-Wardgate-Key: %b\r\n" % pair.key.access_key.encode()
            for name, upstream in upstreams.items():
                seen = sum(key in request for request in upstream.requests)
                assert seen == (6 if name == verdict.upstream else 0)
        assert set(chosen.values()) == {"default", "canary"}


async def test_a_request_that_is_refused_has_no_upstream(tmp_path: Path) -> None:
    """Neither in the verdict nor in the log."""
    async with split_world(tmp_path) as (world, _):
        runtime = world.node.gateway.runtime
        verdict = await explain(runtime.decider, world.key_b.key, "GET", "/v1/projects/a/x", 8192)
        assert isinstance(verdict.permit, Deny)
        assert verdict.upstream is None
        assert status(await world.send(world.request(pair=world.key_b))) == 403
        assert "upstream" not in world.log()[-1]


async def test_the_weights_of_a_reload_count_from_the_next_request_on(tmp_path: Path) -> None:
    """Also on a kept connection, with a head that was sent before."""
    async with split_world(tmp_path) as (world, upstreams):
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        route = {"path": "/v1/projects/{environment}/**"}
        for weights in ({"default": 1, "canary": 0}, {"default": 0, "canary": 1}):
            await Reloading(world).set(routes=[route | {"upstream": weights}])
            for _ in range(3):
                writer.write(world.request(close=False))
                assert status(await reader.readuntil(b"\r\n\r\nok")) == 200
        writer.close()
        assert [len(each.requests) for each in upstreams.values()] == [3, 3]


async def test_without_access_control_a_key_still_sees_its_upstream(tmp_path: Path) -> None:
    """And a client without a key the one of its address."""
    async with split_world(tmp_path) as (world, _):
        async with world.store.write() as change:
            await change.put_setting("access_control", "off")
        seen = []
        bare = world.request().replace(world.key_a.basic, b"")
        for raw in (world.request(), bare, world.request(pair=world.key_b)):
            assert status(await world.send(raw)) == 200
            seen.append(world.log()[-1]["upstream"])
    even = Split(tuple(EVEN.items()))
    assert seen == [even.choose(who) for who in ("1c3", "127.0.0.1", "1c4")]


ROUTE = Route("/x", Access.PUBLIC, "default", split=Split((("default", 50), ("canary", 50))))


@pytest.mark.parametrize(
    ("address", "who"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:2", "2001:db8::/64"),
        ("unix", "unix"),
    ],
)
def test_without_a_key_the_address_decides(address: str, who: str) -> None:
    """For IPv6 its /64, of which a client has any address."""
    assert ROUTE.split
    verdict = divided(Verdict(ROUTE, Permit()), address)
    assert verdict.upstream == ROUTE.split.choose(who)


def test_a_route_with_one_upstream_is_not_divided() -> None:
    """Nor is a refusal."""
    one = Verdict(Route("/x", Access.PUBLIC, "default"), Permit())
    assert divided(one, "192.0.2.1") is one
    refused = Verdict(ROUTE, Deny(Reason.METHOD))
    assert divided(refused, "192.0.2.1") is refused
