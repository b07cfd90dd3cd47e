"""The decision on a request, where it takes more than a table of rights."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.domain.model import Permit, Role
from proxy.gateway.downstream import Downstream
from tests.harness import World, running_world, status
from tests.proxy.gateway.test_revocation import ENDS

BARE = b"GET /v1/projects/a/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
ROUTES = [
    {"path": "/v1/projects/{environment}/**"},
    {"path": "/things", "methods": ["GET", "POST"]},
    {"path": "/any", "access": "any"},
    {"path": "/ping", "access": "public"},
]


async def test_without_access_control_every_request_passes_and_keys_are_still_identified(
    tmp_path: Path,
) -> None:
    """A request without credentials, or with wrong ones, passes anonymously."""
    async with running_world(tmp_path, access_control=False) as world:
        for lines in (b"", b"Authorization: Basic eDp5\r\n", b"Authorization: Bearer x\r\n"):
            world.upstream.forget()
            assert status(await world.send(BARE + lines + b"\r\n")) == 200
            assert b"X-Wardgate" not in world.upstream.requests[0]
        await world.send(world.request())
        assert b"\r\nX-Wardgate-Environment: a\r\n" in world.upstream.requests[-1]
        assert status(await world.send(world.request(pair=world.key_b))) == 200
        assert (
            f"X-Wardgate-Key: {world.key_b.key.access_key}".encode() in world.upstream.requests[-1]
        )
        assert status(await world.send(BARE + b"X-ENFORCE-AUTHENTICATION: true\r\n\r\n")) == 401
        enforced = world.request(b"/v1/projects/b/x", b"X-Enforce-Authentication: true")
        assert status(await world.send(enforced)) == 403


async def test_without_access_control_a_flood_of_guesses_keeps_no_request_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guesses that cannot be verified pass anonymously, unless the request requires credentials;
    verified keys are still identified."""
    guess = f"Authorization: Basic {base64.b64encode(b'elsewhere:guess').decode()}\r\n".encode()
    enforced = b"X-Enforce-Authentication: true\r\n"
    async with running_world(tmp_path, access_control=False) as world:
        imported = replace(world.key_a.key, id=50, access_key="elsewhere", sealed=False)
        await world.put(imported)
        await world.send(world.request())
        monkeypatch.setattr(world.node.authenticator.unsealed, "_most", 0)
        assert status(await world.send(BARE + guess + b"\r\n")) == 200
        assert b"X-Wardgate" not in world.upstream.requests[-1]
        assert status(await world.send(BARE + guess + enforced + b"\r\n")) == 503
        monkeypatch.setattr(world.node.authenticator._guesses, "refuses", lambda *_: True)
        assert status(await world.send(BARE + guess + b"\r\n")) == 200
        assert status(await world.send(BARE + guess + enforced + b"\r\n")) == 429
        await world.send(world.request())
        assert b"\r\nX-Wardgate-Environment: a\r\n" in world.upstream.requests[-1]


async def test_the_stored_setting_wins_over_the_configured_one(tmp_path: Path) -> None:
    """The configuration is only the first value."""
    async with running_world(tmp_path, access_control=False) as world:
        async with world.store.write() as change:
            await change.put_setting("access_control", "on")
        assert status(await world.send(BARE + b"\r\n")) == 401


@pytest.mark.parametrize(
    ("target", "method", "who", "expected"),
    [
        (b"/ping", b"GET", "nobody", 200),
        (b"/ping", b"GET", "key_a", 200),
        (b"/any", b"GET", "nobody", 401),
        (b"/any", b"GET", "key_a", 200),
        (b"/any", b"GET", "user", 200),
        (b"/things", b"GET", "user", 200),
        (b"/things", b"HEAD", "user", 200),
        (b"/things", b"DELETE", "user", 405),
        (b"/things", b"DELETE", "nobody", 405),
        (b"/things", b"GET", "key_a", 403),
        (b"/elsewhere", b"GET", "nobody", 401),
        (b"/elsewhere", b"GET", "admin", 403),
    ],
)
async def test_the_route_is_decided_first_then_the_key_then_its_rights(
    tmp_path: Path, target: bytes, method: bytes, who: str, expected: int
) -> None:
    """A public route ignores credentials; without a route, only a valid key gets 403."""
    async with running_world(tmp_path, routes=ROUTES) as world:
        raw = world.request(target, method=method, pair=getattr(world, who, None))
        if who == "nobody":
            raw = raw.replace(world.key_a.basic, b"")
        answer = await world.send(raw)
        assert status(answer) == expected
        assert (b"\r\nAllow: GET, HEAD, POST\r\n" in answer) == (expected == 405)


async def test_a_route_may_allow_an_escaped_slash_after_its_environment(tmp_path: Path) -> None:
    """The upstream gets it as it was sent."""
    routes = [{"path": "/v1/projects/{environment}/**", "allow": ["%2F"]}]
    async with running_world(tmp_path, routes=routes) as world:
        assert status(await world.send(world.request(b"/v1/projects/a/x%2fy"))) == 200
        assert world.upstream.requests[0].startswith(b"GET /v1/projects/a/x%2fy HTTP/1.1\r\n")
        assert status(await world.send(world.request(b"/v1/projects/a%2fb/y"))) == 400
        assert status(await world.send(world.request(b"/v1/projects/a/x%25y"))) == 400


@pytest.mark.parametrize("varied", [False, True], ids=["same-head", "other-field"])
@pytest.mark.parametrize("end", ENDS)
async def test_a_repeated_request_is_decided_by_the_current_records(
    tmp_path: Path, end: Callable[[World], Awaitable[None]], varied: bool
) -> None:
    """A permit of a moment ago on the same connection counts only while its records are the
    same."""
    async with running_world(tmp_path) as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)

        async def ask(number: int) -> int:
            field = b"X-Number: %d" % (number if varied else 0)
            writer.write(world.request(b"/v1/projects/a/x", field, pair=world.user, close=False))
            response = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", response)
            await reader.readexactly(int(length[1]) if length else 0)
            return status(response)

        assert [await ask(number) for number in range(3)] == [200] * 3
        (connection,) = world.node.gateway.admission.connections
        assert isinstance(connection, Downstream)
        memo = connection._reader.memo
        assert memo
        assert memo.verdict
        assert world.node.gateway.runtime.decider.holds(memo.verdict)
        await end(world)
        await asyncio.sleep(0.002)  # one of them ends by the clock
        assert await ask(3) in {401, 404}
        writer.close()


async def test_an_upstream_gets_the_current_role_and_environment(tmp_path: Path) -> None:
    """The role changes, and then another environment gets the slug."""
    async with running_world(tmp_path) as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)

        async def seen() -> bytes:
            world.upstream.forget()
            writer.write(world.request(b"/v1/projects/a/x", pair=world.admin, close=False))
            await reader.readuntil(b"\r\n\r\nok")
            return world.upstream.requests[0]

        assert b"\r\nX-Wardgate-Role: owner\r\n" in await seen()
        await world.put(replace(world.admin.key, role=Role.MEMBER))
        assert b"\r\nX-Wardgate-Role: member\r\n" in await seen()
        await world.put(replace(world.environment_a, slug="gone"))
        await world.put(replace(world.environment_b, slug="a", name="another"))
        response = await seen()
        assert b"\r\nX-Wardgate-Environment: a\r\n" in response
        (connection,) = world.node.gateway.admission.connections
        assert isinstance(connection, Downstream)
        memo = connection._reader.memo
        assert memo
        assert memo.verdict
        assert isinstance(memo.verdict.permit, Permit)
        assert memo.verdict.permit.environment
        assert memo.verdict.permit.environment.id == world.environment_b.id
        writer.close()
