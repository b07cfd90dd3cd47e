"""The decision by the limits of a key: from where it is used, for what, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.domain.limits import parse_limits
from proxy.domain.model import AccountKind
from tests.harness import World, account, alter, renewed, running_world, status
from tests.patience import PATIENCE
from tests.proxy.gateway.test_revocation import begun, cut
from tests.support.clocks import Clock, moment

ROUTES = [{"path": "/v1/projects/{environment}/**", "methods": "*"}, {"path": "/**"}]


async def limit(world: World, **limits: Any) -> None:
    """Limit the key of `a`."""
    await world.put(renewed(world.key_a, limits=parse_limits(limits)))


@pytest.mark.parametrize(
    ("trusted", "lines", "expected"),
    [
        ([], (), 403),
        ([], (b"X-Forwarded-For: 192.0.2.7",), 403),
        (["127.0.0.1"], (b"X-Forwarded-For: 192.0.2.7",), 200),
        (["127.0.0.1"], (b"X-Forwarded-For: 192.0.2.7, 198.51.100.1",), 403),
        (["127.0.0.1"], (b'Forwarded: for="[2001:db8::1]"',), 200),
        (["127.0.0.1"], (), 403),
    ],
)
async def test_the_address_of_a_client_is_that_in_the_access_log(
    tmp_path: Path, trusted: list[str], lines: Sequence[bytes], expected: int
) -> None:
    """Nobody chooses it by a field, unless a trusted proxy says so."""
    async with running_world(tmp_path, trusted_proxies=trusted) as world:
        await limit(world, networks=["192.0.2.0/24", "2001:db8::/32"])
        assert status(await world.send(world.request(b"/v1/projects/a/x", *lines))) == expected
        (line,) = world.log()
        assert line.get("reason") == ("network" if expected == 403 else None)
        assert line["key"] == "1c3"


@pytest.mark.parametrize(
    ("method", "path", "lines", "expected"),
    [
        (b"GET", b"/v1/projects/a/things/1", (), 200),
        (b"HEAD", b"/v1/projects/a/things/1", (), 200),
        (b"GET", b"/v1/projects/a/things/1?x=/../y", (), 200),
        (b"POST", b"/v1/projects/a/things", (), 403),
        (b"GET", b"/v1/projects/a/others", (), 403),
        (b"GET", b"/v1/projects/a/Things/1", (), 403),
        (b"GET", b"/v1/projects/a/th%69ngs/1", (), 403),
        (b"GET", b"/v1/projects/a/things%2f1", (), 400),
        (b"GET", b"/v1/projects/a/things/../others", (), 400),
        (b"GET", b"/v1/projects/a/things/%2e%2e/others", (), 400),
        (b"COPY", b"/v1/projects/a/files/1", (b"Destination: /v1/projects/a/files/2",), 200),
        (b"COPY", b"/v1/projects/a/files/1", (b"Destination: /v1/projects/a/others/2",), 403),
        (
            b"COPY",
            b"/v1/projects/a/files/1",
            (b"Destination: http://gateway/v1/projects/a/o",),
            403,
        ),
    ],
)
async def test_a_key_with_scopes_may_do_what_one_of_them_permits(
    tmp_path: Path, method: bytes, path: bytes, lines: Sequence[bytes], expected: int
) -> None:
    """Judged on the path as it was sent, and on the second path that a request names."""
    async with running_world(tmp_path, routes=ROUTES) as world:
        await limit(
            world,
            scopes=[
                "GET /v1/projects/{environment}/things/**",
                "COPY /v1/projects/{environment}/files/**",
            ],
        )
        answer = await world.send(world.request(path, *lines, method=method))
        assert status(answer) == expected
        if expected == 403:
            assert world.log()[0]["reason"] == "scope"


async def test_a_key_with_a_window_works_within_it(tmp_path: Path) -> None:
    """On a connection that is kept, too: what was decided before does not last."""
    async with running_world(tmp_path) as world:
        clock = Clock.of(world.node, "2026-11-27T17:59:59.999")
        await limit(world, window="Mon-Fri 08:00-18:00")
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)

        async def ask() -> int:
            writer.write(world.request(close=False))
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
            return status(head)

        assert await ask() == await ask() == 200
        clock.pass_by(0.001)
        assert await ask() == 403
        assert world.log()[-1]["reason"] == "window"
        clock.show("2026-11-30T07:59:59")
        assert await ask() == 403
        clock.pass_by(1)
        assert await ask() == 200
        writer.close()


async def test_an_answer_in_progress_ends_with_its_window(tmp_path: Path) -> None:
    """As with any other right that ends."""
    async with running_world(tmp_path) as world:
        gateway = world.node.gateway
        world.stop_clock()
        alter(gateway, wall=moment("2026-11-27T17:59:58"))
        world.node.authenticator.clock = lambda: gateway.wall
        limits = parse_limits({"window": "08:00-18:00"})
        await world.put(renewed(world.user, limits=limits))
        async with begun(world) as reader:
            world.pass_time(1.0)
            assert await reader.readexactly(10)
            assert world.log() == []
            world.pass_time(1.0)
            await asyncio.wait_for(cut(reader), PATIENCE)
            assert world.log()[0]["reason"] == "revoked"


async def test_an_edit_of_limits_counts_from_the_next_request_on(tmp_path: Path) -> None:
    """Of those of the key, of its account, and of the environment in the path."""
    async with running_world(tmp_path) as world:
        request, nowhere = world.request(pair=world.user), parse_limits({"networks": ["192.0.2.1"]})
        for limited, free in (
            (renewed(world.user, limits=nowhere), world.user.key),
            (account(2, AccountKind.USER, limits=nowhere), account(2, AccountKind.USER)),
            (replace(world.environment_a, limits=nowhere), world.environment_a),
        ):
            assert status(await world.send(request)) == 200
            await world.put(limited)
            assert status(await world.send(request)) == 403
            await world.put(free)
        assert status(await world.send(request)) == 200


async def test_limits_refuse_with_the_answer_of_any_403(tmp_path: Path) -> None:
    """It does not tell which limit it was."""
    async with running_world(tmp_path) as world:
        bodies = set()
        for limits in ({"networks": ["192.0.2.1"]}, {"scopes": ["GET /x"]}, {}):
            await limit(world, **limits)
            target = b"/v1/projects/a/x" if limits else b"/v1/projects/b/x"
            answer = await world.send(world.request(target, b"X-Request-Id: same"))
            assert status(answer) == 403
            bodies.add(answer.partition(b"\r\n\r\n")[2])
        assert len(bodies) == 1
