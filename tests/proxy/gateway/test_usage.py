"""Each request is counted once, for its key, its environment, its route and how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.domain.model import Role, State
from proxy.domain.usage import DAY, HOUR, Dimension, UsageQuery, UsageRow
from proxy.gateway.transport import reset
from tests.harness import Pair, World, alter, running_world, status, until
from tests.proxy.gateway.test_tunnel import AGREED, OFFER
from tests.reloading import Reloading

pytestmark = pytest.mark.asyncio(loop_scope="module")

IN_A = "/v1/projects/{environment}/**"
FOR_EVER = UsageQuery(0, 10**6 * DAY)


@pytest_asyncio.fixture(loop_scope="module")
async def world(world: World) -> AsyncIterator[World]:
    """The gateway of the file, which has counted nothing so far. Its keys are as they were."""
    await counted(world)
    async with world.store.write() as change:
        await change.prune_usage(FOR_EVER.end, 10**6)
    yield world
    await world.put(world.key_a.key, world.key_b.key, world.user.key)


async def counted(world: World, *by: str, **others: Any) -> list[UsageRow]:
    """The usage so far."""
    await world.node.usage.write()
    query = replace(FOR_EVER, by=tuple(map(Dimension, by)), **others)
    return await world.store.sum_usage(query)


async def requests(world: World, *by: str, **others: Any) -> dict[Any, int]:
    """The number of requests by the value of a dimension, else by all values."""
    rows = await counted(world, *by, **others)
    return {row.values[0] if len(row.values) == 1 else row.values: row.requests for row in rows}


async def send(world: World, *raw: bytes) -> list[int]:
    """The statuses of requests, each on a connection of its own."""
    return [status(await world.send(each)) for each in raw]


def bare(*lines: bytes, target: bytes = b"/v1/projects/a/x") -> bytes:
    """A request without a key."""
    head = b"GET %b HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n" % target
    return head + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


async def test_a_request_is_counted_with_its_bytes_and_its_time(world: World) -> None:
    """By the hour of its end."""
    post = world.request(b"/v1/projects/a/x", b"Content-Length: 5", method=b"POST") + b"12345"
    assert await send(world, post, post, world.request()) == [200, 200, 200]
    now = world.node.gateway.wall
    rows = await counted(world, "hour", "key", "environment", "route", "method", "status", "reason")
    shared = (now - now % HOUR, 3, 3, IN_A)
    assert [row.values for row in rows] == [(*shared, method, 2, "") for method in ("GET", "POST")]
    assert [row.requests for row in rows] == [1, 2]
    assert [row.received for row in rows] == [0, 10]
    assert [row.sent for row in rows] == [2, 4]
    assert all(row.seconds > 0 for row in rows)
    logged = sum(line["ms"] for line in world.log()[-3:])
    assert abs(sum(row.seconds for row in rows) * 1000 - logged) <= 3 * 0.05


async def test_the_same_request_again_is_counted_when_usage_is_written(world: World) -> None:
    """Although it is counted later than it ends, with others."""
    await world.repeat(5)
    assert await requests(world) == {(): 5}


async def test_paths_and_methods_that_clients_choose_make_no_counters(world: World) -> None:
    """A route counts by its pattern, and unregistered methods count together."""
    for number in range(3):
        await send(world, world.request(b"/v1/projects/a/%d?%d" % (number, number)))
        await send(world, world.request(method=b"BREW%d" % number))
    assert await requests(world, "route", "method", "reason") == {
        ("", "other", "method"): 3,
        (IN_A, "GET", ""): 3,
    }


async def test_a_refused_request_of_a_known_key_counts_for_it(world: World) -> None:
    """And for its environment: the one in which its role does not allow the request, or else the
    one that the key belongs to. An environment that the key does not reach is not named."""
    await world.put(replace(world.user.key, role=Role.READONLY))
    post = world.request(method=b"POST", pair=world.user)
    elsewhere = [
        world.request(b"/v1/projects/b/x"),
        world.request(b"/v1/projects/b/x", pair=world.user),
        world.request(b"/v1/projects/none/x", pair=world.user),
        world.request(b"/other"),
    ]
    assert await send(world, post, *elsewhere) == [403, 403, 404, 404, 403]
    await world.put(replace(world.key_b.key, state=State.INACTIVE))
    inactive = world.request(b"/v1/projects/b/x", pair=world.key_b)
    assert await send(world, inactive) == [401]
    assert await requests(world, "key", "environment", "reason") == {
        (2, 3, "read-only"): 1,
        (2, 0, "no-environment"): 2,
        (3, 3, "access"): 1,
        (3, 3, "environment"): 1,
        (4, 4, "key-inactive"): 1,
    }
    assert (await counted(world))[0].refused == 6


async def test_a_refused_request_without_a_known_key_counts_for_none(world: World) -> None:
    """By its route, if it has one, and its reason."""
    wrong = Pair(world.key_a.key, world.key_b.secret)
    sent = [
        bare(),
        world.request(pair=wrong),
        bare(target=b"/x"),
        bare(target=b"/v1/projects/a/../b"),
        b"GET /v1/projects/a/x HTTP/1.1\r\nConnection: close\r\n\r\n",
        b"GET /x\r\n\r\n",
        b"nothing of HTTP\r\n\r\n",
    ]
    assert await send(world, *sent) == [401, 401, 401, 400, 400, 400, 400]
    assert {*await requests(world, "key", "environment", "status")} == {(0, 0, 4)}
    found = await requests(world, "route", "reason")
    assert sum(found.values()) == len(sent)
    assert found[IN_A, "no-credentials"] == found[IN_A, "forged"] == 1
    assert found["/**", "no-credentials"] == 1
    assert sum(number for (route, _), number in found.items() if route == "") >= 2


async def test_failures_count_by_their_reason(world: World) -> None:
    """Also those for which the client got no whole response, or closed first."""
    world.upstream.respond = lambda _: b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
    await send(world, world.request())
    world.upstream.respond = lambda _: None
    await send(world, world.request(method=b"POST"))
    world.upstream.respond = lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    writer.write(world.request())
    assert await reader.readuntil(b"half")
    reset(cast("asyncio.Transport", writer.transport))
    await until(lambda: world.log()[-1].get("reason") == "client-closed")
    assert await requests(world, "key", "status", "reason") == {
        (3, 2, "client-closed"): 1,
        (3, 5, ""): 1,
        (3, 5, "upstream-closed"): 1,
    }
    (row,) = await counted(world)
    assert (row.refused, row.failed, row.sent) == (0, 2, 4)


async def test_a_tunnel_is_counted_when_it_ends(world: World) -> None:
    """With the bytes that passed; that its key was used is noted when it begins."""
    before = await world.store.get_key(3)
    world.upstream.respond = lambda _: AGREED + b"hi "
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    writer.write(world.request(b"/v1/projects/a/x", *OFFER, close=False))
    await reader.readuntil(b"hi ")
    writer.write(b"12345")
    assert await requests(world, "status") == {}
    after = await world.store.get_key(3)
    assert before
    assert after
    assert after.use_count == before.use_count + 1
    writer.close()
    await until(lambda: world.pool.tunnels == 0)
    (row,) = await counted(world, "key", "route", "status", "reason")
    assert row.values == (3, IN_A, 1, "")
    assert (row.requests, row.received, row.sent) == (1, 5, 3)


async def test_requests_that_need_no_key_count_for_none(tmp_path: Path) -> None:
    """Those of a public route, preflights, `OPTIONS *`, and all that pass without access
    control."""
    routes = [
        {"path": "/public", "access": "public", "cors": {"origins": ["https://app"]}},
        {"path": "/**"},
    ]
    asked = b"Origin: https://app", b"Access-Control-Request-Method: GET"
    preflight = bare(*asked, target=b"/public").replace(b"GET", b"OPTIONS", 1)
    options = bare(target=b"*").replace(b"GET", b"OPTIONS", 1)
    sent = [bare(target=b"/public"), preflight, options, bare(target=b"/x")]
    async with running_world(tmp_path, routes=routes, access_control=False) as world:
        assert await send(world, *sent) == [200, 204, 204, 200]
        assert await send(world, world.request(b"/x", pair=world.admin)) == [200]
        assert await requests(world, "key", "route", "method", "status") == {
            (0, "", "OPTIONS", 2): 1,
            (0, "/**", "GET", 2): 1,
            (0, "/public", "GET", 2): 1,
            (0, "/public", "OPTIONS", 2): 1,
            (1, "/**", "GET", 2): 1,
        }


async def test_requests_on_one_connection_count_each_for_its_own(tmp_path: Path) -> None:
    """Whatever the one before them counted for."""
    path = "/v1/projects/{environment}/**"
    lines = ["GET /v1/projects/a/x", "GET /v1/projects/a/y", "OPTIONS *", "POST /v1/projects/a/x"]
    async with running_world(tmp_path, routes=[{"path": path}]) as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        for line in lines * 2:
            method, target = line.encode().split()
            writer.write(world.request(target, method=method, close=False))
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"Content-Length: ([0-9]+)", head)
            await reader.readexactly(int(length[1]) if length else 0)
        writer.close()
        assert await requests(world, "key", "route", "method") == {
            (0, "", "OPTIONS"): 2,
            (3, path, "GET"): 4,
            (3, path, "POST"): 2,
        }
        latencies = world.node.gateway.telemetry.latencies.items()
        counted = {labels: latency.count for labels, latency in latencies}
        assert counted == {(path, "default", 2): 6, ("", "", 2): 2}


class Kept:
    """A connection on which the same request is sent again and again."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, raw: bytes) -> int:
        """Send a request, and return the status of its response."""
        self.writer.write(raw)
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await self.reader.readexactly(length)
        return status(head)


@contextlib.asynccontextmanager
async def kept(world: World) -> AsyncIterator[Kept]:
    """A connection to the gateway."""
    connection = Kept(*await asyncio.open_connection("127.0.0.1", world.port))
    try:
        yield connection
    finally:
        connection.writer.close()


async def test_repeated_requests_are_counted_like_any_other(world: World) -> None:
    """Before and after each write, and whatever class their status has."""
    raw = world.request(close=False)
    async with kept(world) as client:
        for number in range(1, 5):
            for _ in range(3):
                assert await client.ask(raw) == 200
            assert await requests(world, "status") == {2: 3 * number}
        world.upstream.respond = lambda _: b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"
        for _ in range(3):
            assert await client.ask(raw) == 404
        assert await requests(world, "status") == {2: 12, 4: 3}


async def test_repeated_requests_count_for_the_hour_in_which_they_end(tmp_path: Path) -> None:
    """From its beginning on."""
    async with running_world(tmp_path) as world, kept(world) as client:
        world.stop_clock()
        gateway = world.node.gateway
        hour = gateway.wall - gateway.wall % HOUR
        alter(gateway, wall=hour)
        for passed in (0, HOUR - 1, 1, HOUR - 1, 1):
            alter(gateway, wall=gateway.wall + passed)
            assert await client.ask(world.request(close=False)) == 200
        assert await requests(world, "hour") == {hour: 2, hour + HOUR: 2, hour + 2 * HOUR: 1}


async def test_repeated_requests_are_counted_by_what_is_decided_now(world: World) -> None:
    """A key that was deactivated meanwhile, and activated again."""
    raw = world.request(close=False)
    async with kept(world) as client:
        for state, expected in ((State.ACTIVE, 200), (State.INACTIVE, 401), (State.ACTIVE, 200)):
            await world.put(replace(world.key_a.key, state=state))
            for _ in range(3):
                assert await client.ask(raw) == expected
    assert await requests(world, "key", "reason") == {(3, ""): 6, (3, "key-inactive"): 3}


async def test_repeated_requests_are_counted_by_the_routes_of_now(tmp_path: Path) -> None:
    """After a reload."""
    async with running_world(tmp_path) as world, kept(world) as client:
        raw = world.request(close=False)
        for _ in range(3):
            assert await client.ask(raw) == 200
        routes = [{"path": "/v1/projects/{environment}/x"}, {"path": "/**"}]
        await Reloading(world).set(routes=routes)
        for _ in range(3):
            assert await client.ask(raw) == 200
        assert await requests(world, "route") == {IN_A: 3, "/v1/projects/{environment}/x": 3}


KINDS = {
    "served": (b"/v1/projects/a/x", b"GET", "key_a"),
    "of an account": (b"/v1/projects/a/x", b"POST", "user"),
    "of another environment": (b"/v1/projects/b/x", b"PUT", "key_b"),
    "forbidden": (b"/v1/projects/b/x", b"GET", "key_a"),
    "not found": (b"/v1/projects/b/x", b"GET", "user"),
    "without a route for it": (b"/v1/projects/a/x", b"BREW", "admin"),
    "of an admin": (b"/x", b"DELETE", "admin"),
    "without a key": (b"/x", b"GET", ""),
}


@settings(max_examples=20, suppress_health_check=list(HealthCheck))
@given(sent=st.lists(st.sampled_from([*KINDS]), max_size=12), again=st.integers(1, 3))
async def test_the_sums_by_any_dimensions_are_the_number_of_requests(
    world: World, sent: list[str], again: int
) -> None:
    """Whatever was sent, on one connection or on several, and however often it was written."""
    before = (await counted(world))[0].requests
    per_key = Counter(await requests(world, "key"))
    async with kept(world) as client:
        for kind in sent:
            target, method, name = KINDS[kind]
            pair = getattr(world, name) if name else None
            raw = world.request(target, method=method, pair=pair, close=False)
            if pair is None:
                raw = b"%b %b HTTP/1.1\r\nHost: gateway\r\n\r\n" % (method, target)
            for _ in range(again):
                await client.ask(raw)
                per_key[pair.key.id if pair and method != b"BREW" else 0] += 1
    total = before + again * len(sent)
    for size in range(3):
        for by in combinations(Dimension, size):
            assert sum((await requests(world, *by)).values()) == total
    assert await requests(world, "key") == per_key
    for key, number in per_key.items():
        assert await requests(world, key=key) == {(): number}
    environments = await requests(world, "environment")
    for environment, number in environments.items():
        assert await requests(world, environment=environment) == {(): number}
        by_key = await requests(world, "key", environment=environment)
        assert sum(by_key.values()) == number
