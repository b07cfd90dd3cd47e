"""Limits at a gateway: what clients are told, limits that are not enforced, and public routes."""

from __future__ import annotations

import re
from pathlib import Path

from tests.harness import OK, running_world, status
from tests.proxy.gateway.test_limiter import NOON, ask, limit
from tests.support.clocks import Clock


def fields(answer: bytes) -> dict[str, str]:
    """The fields of an answer that are about limits."""
    head = answer.partition(b"\r\n\r\n")[0].decode()
    return {
        name: value
        for name, _, value in (line.partition(": ") for line in head.split("\r\n"))
        if name in {"Retry-After", "RateLimit", "RateLimit-Policy"}
    }


# --- what clients are told ---


async def test_a_refusal_says_when_to_try_again(tmp_path: Path) -> None:
    """In whole seconds, rounded up, by the limit that lasts longest of those that have nothing
    left; and which policies there are."""
    async with running_world(tmp_path) as world:
        clock = Clock.of(world.node, NOON)
        await limit(world, rate="6/min", burst=2, quota="1000/day")
        await ask(world, 2)
        clock.pass_by(0.5)
        assert fields(await world.send(world.request())) == {
            "Retry-After": "10",
            "RateLimit-Policy": '"key-rate";q=2;w=20, "key-quota";q=1000;w=86400',
            "RateLimit": '"key-rate";r=0;t=10',
        }
        await limit(world, rate="6/min", burst=2, quota="3/day")
        clock.pass_by(9.5)
        assert status(await world.send(world.request())) == 200
        answer = await world.send(world.request())
        assert fields(answer)["RateLimit"] == '"key-rate";r=0;t=10, "key-quota";r=0;t=43190'
        assert fields(answer)["Retry-After"] == "43190"
        assert [line.get("reason") for line in world.log()] == [None] * 2 + ["rate", None, "rate"]


async def test_an_answer_says_what_is_left_where_the_route_says_so(tmp_path: Path) -> None:
    """Besides what the upstream says. On other routes only refusals tell it."""
    routes = [
        {"path": "/v1/projects/{environment}/told", "ratelimit_fields": True},
        {"path": "/v1/projects/{environment}/**"},
    ]
    async with running_world(tmp_path, routes=routes) as world:
        Clock.of(world.node, NOON)
        own = b'\r\nRateLimit: "own";r=1;t=1\r\n\r\n'
        world.upstream.respond = lambda _: OK.replace(b"\r\n\r\n", own)
        await limit(world, rate="10/s", burst=5, quota="1000/month")
        answer = await world.send(world.request(b"/v1/projects/a/told"))
        assert re.findall(rb"(?m)^RateLimit.*\r$", answer) == [
            b'RateLimit: "own";r=1;t=1\r',
            b'RateLimit-Policy: "key-rate";q=10;w=1, "key-quota";q=1000;w=2592000\r',
            b'RateLimit: "key-rate";r=4;t=1, "key-quota";r=999;t=302400\r',
        ]
        assert fields(await world.send(world.request())) == {"RateLimit": '"own";r=1;t=1'}
        assert fields(
            await world.send(world.request(b"/v1/projects/b/told", pair=world.key_b))
        ) == {"RateLimit": '"own";r=1;t=1'}


# --- limits that are not enforced ---


async def test_a_limit_that_is_not_enforced_only_logs_what_it_would_refuse(tmp_path: Path) -> None:
    """Such requests are counted by the metrics, and clients are told nothing of it."""
    routes = [{"path": "/v1/projects/{environment}/**", "ratelimit_fields": True}]
    async with running_world(tmp_path, routes=routes) as world:
        clock = Clock.of(world.node, NOON)
        await limit(world, rate="1/s", enforce=False)
        assert await ask(world, 3) == [200] * 3
        clock.pass_by(1)
        answer = await world.send(world.request())
        assert fields(answer) == {}
        marks = [line.get("would_refuse") for line in world.log()]
        assert marks == [None, "rate", "rate", None]
        assert "reason" not in world.log()[1]
        assert world.node.gateway.telemetry.by_would_refuse == {"rate": 2}


async def test_a_route_may_enforce_no_limits(tmp_path: Path) -> None:
    """Those of the key are enforced elsewhere, and both places use them up."""
    routes = [
        {"path": "/v1/projects/{environment}/trial", "enforce_limits": False},
        {"path": "/v1/projects/{environment}/**"},
    ]
    async with running_world(tmp_path, routes=routes) as world:
        Clock.of(world.node, NOON)
        await limit(world, rate="1/h", burst=2, scopes=["GET /v1/projects/{environment}/x"])
        assert await ask(world, 3, target=b"/v1/projects/a/trial") == [200] * 3
        assert [line["would_refuse"] for line in world.log()] == ["scope"] * 3
        assert await ask(world, 1) == [429]


async def test_without_access_control_there_are_no_limits(tmp_path: Path) -> None:
    """Who leaves the key out would have none anyway."""
    async with running_world(tmp_path, access_control=False) as world:
        await limit(world, rate="1/h", networks=["192.0.2.1"])
        assert await ask(world, 3) == [200] * 3


# --- public routes ---


async def test_a_public_route_may_have_a_rate_for_each_address(tmp_path: Path) -> None:
    """All addresses of an IPv6 /64 are one."""
    routes = [
        {"path": "/ping", "access": "public", "rate": "1/s", "burst": 2},
        {"path": "/pong", "access": "public", "rate": "1/s", "burst": 2},
        {"path": "/trial", "access": "public", "rate": "1/s", "enforce_limits": False},
        {"path": "/**"},
    ]
    async with running_world(tmp_path, routes=routes, trusted_proxies=["127.0.0.1"]) as world:
        clock = Clock.of(world.node, NOON)

        async def statuses(address: str, target: bytes = b"/ping", times: int = 3) -> list[int]:
            line = f"X-Forwarded-For: {address}".encode()
            return [
                status(await world.send(world.request(target, line, pair=world.admin)))
                for _ in range(times)
            ]

        assert await statuses("192.0.2.1") == [200, 200, 429]
        assert world.log()[-1]["reason"] == "address-rate"
        assert await statuses("192.0.2.2") == [200, 200, 429]
        assert await statuses("192.0.2.1", b"/pong") == [200, 200, 429]
        assert await statuses("2001:db8::1") == [200, 200, 429]
        assert await statuses("2001:db8::ffff:2", times=1) == [429]
        assert await statuses("2001:db8:0:1::1", times=1) == [200]
        assert await statuses("192.0.2.1", b"/trial", 2) == [200, 200]
        assert world.log()[-1]["would_refuse"] == "address-rate"
        clock.pass_by(1)
        answer = await world.send(world.request(b"/ping", b"X-Forwarded-For: 192.0.2.1"))
        assert status(answer) == 200
        answer = await world.send(world.request(b"/ping", b"X-Forwarded-For: 192.0.2.1"))
        assert fields(answer) == {
            "Retry-After": "1",
            "RateLimit-Policy": '"address-rate";q=2;w=2',
            "RateLimit": '"address-rate";r=0;t=1',
        }


async def test_a_preflight_that_reaches_the_upstream_uses_up_the_rate_of_its_address(
    tmp_path: Path,
) -> None:
    """Otherwise anybody could send as many as they like by asking as a browser does. One that the
    gateway answers itself is not counted."""
    public = {"access": "public", "rate": "1/h", "burst": 2}
    own = {"origins": ["https://app.example.com"]}
    routes = [
        {"path": "/theirs", "cors": "upstream"} | public,
        {"path": "/ours", "cors": own} | public,
    ]
    asked = b"OPTIONS %b HTTP/1.1\r\nHost: h\r\nOrigin: https://app.example.com\r\n"
    asked += b"Access-Control-Request-Method: GET\r\nConnection: close\r\n\r\n"
    async with running_world(tmp_path, routes=routes) as world:
        Clock.of(world.node, NOON)
        told = [status(await world.send(asked % b"/theirs")) for _ in range(4)]
        assert told == [200, 200, 429, 429]
        assert world.log()[-1] | {"reason": "address-rate", "preflight": True} == world.log()[-1]
        assert len(world.upstream.requests) == 2
        assert [status(await world.send(asked % b"/ours")) for _ in range(4)] == [204] * 4
        assert status(await world.send(world.request(b"/ours"))) == 200
