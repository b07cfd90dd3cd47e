"""An exchange: what the upstream gets, what the client gets, and how either may end."""

from __future__ import annotations

import asyncio
import base64
import re
from dataclasses import replace

import pytest

from proxy.domain.model import AccountKind, State
from tests.harness import OK, World, account, new_key, renewed, status

pytestmark = pytest.mark.asyncio(loop_scope="module")


# --- what the upstream gets ---


async def test_an_upstream_gets_the_request_line_and_fields_unchanged(world: World) -> None:
    """The gateway's fields are last, the credentials are gone, and Host is the upstream's own."""
    raw = world.request(b"/v1/projects/a/x?b=%20c", b"X-One: 1", b"x-TWO:2 ", b"Via: 1.1 other")
    assert status(await world.send(raw)) == 200
    (request,) = world.upstream.requests
    line, *lines = request.decode().split("\r\n")
    assert line == "GET /v1/projects/a/x?b=%20c HTTP/1.1"
    request_id = re.search(r"X-Request-Id: (\S+)", request.decode())
    assert request_id
    assert lines == [
        f"Host: 127.0.0.1:{world.upstream.port}",
        "X-One: 1",
        "x-TWO:2 ",
        "Via: 1.1 other",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Proto: http",
        "X-Forwarded-Host: gateway",
        "X-Forwarded-Port: 80",
        'Forwarded: for=127.0.0.1;proto=http;host="gateway"',
        f"X-Request-Id: {request_id[1]}",
        f"X-Wardgate-Key: {world.key_a.key.access_key}",
        "X-Wardgate-Environment: a",
        "X-Wardgate-Role: owner",
        "",
        "",
    ]


async def test_an_upstream_gets_the_account_of_a_key_and_the_weaker_role(world: World) -> None:
    """The key of the user has the role owner, its membership the role member."""
    await world.send(world.request(pair=world.user))
    assert b"\r\nX-Wardgate-Account: 1a2\r\n" in world.upstream.requests[0]
    assert b"\r\nX-Wardgate-Role: member\r\n" in world.upstream.requests[0]


async def test_a_request_id_is_kept_or_made_and_returned(world: World) -> None:
    """One from the client is passed on; one in the response of the upstream is dropped."""
    world.upstream.respond = lambda _: OK.replace(b"\r\n\r\n", b"\r\nX-Request-Id: other\r\n\r\n")
    answer = await world.send(world.request(b"/v1/projects/a/x", b"X-Request-Id: mine-1"))
    assert b"\r\nX-Request-Id: mine-1\r\n" in world.upstream.requests[0]
    assert answer.count(b"X-Request-Id: mine-1\r\n") == 1
    assert b"other" not in answer
    made = re.search(rb"X-Request-Id: ([0-9a-f-]{36})\r\n", await world.send(world.request()))
    assert made


# --- bodies ---


async def test_a_body_that_is_there_leaves_with_the_head(world: World) -> None:
    """In one write: an upstream that reads once has both."""
    read = asyncio.Future[bytes]()

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        read.set_result(await reader.read(65536))
        writer.write(OK)

    world.upstream.handle = once
    head = world.request(b"/v1/projects/a/x", b"Content-Length: 5", method=b"POST")
    assert status(await world.send(head + b"hello")) == 200
    assert (await read).endswith(b"\r\n\r\nhello")


async def test_pipelined_requests_are_answered_in_order(world: World) -> None:
    """The upstream gets each of them, and the responses come in the order of the requests."""
    world.upstream.respond = lambda request: (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + request.split(b" ")[1][-2:]
    )
    targets = [b"/v1/projects/a/%02d" % number for number in range(30)]
    raw = b"".join(world.request(target, close=False) for target in targets[:-1])
    answer = await world.send(raw + world.request(targets[-1]))
    assert re.findall(rb"\r\n\r\n(\d\d)", answer) == [target[-2:] for target in targets]
    assert len(world.upstream.requests) == 30


# --- who is refused ---


async def test_a_refusal_is_a_problem_document_that_depends_on_its_status_alone(
    world: World,
) -> None:
    """A 401 has the challenge, a 403 does not; HEAD gets no body; Accept selects the media type."""
    bare = b"GET /v1/projects/a/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
    refused = await world.send(bare + b"\r\n")
    assert status(refused) == 401
    assert (
        b'\r\nWWW-Authenticate: Basic realm="Enter API access key and secret key as username and '
        b'password"\r\n' in refused
    )
    assert b"\r\nContent-Type: application/json\r\n" in refused
    assert b'"status":401,"code":"Unauthorized","message":"Unauthorized"' in refused
    quiet = await world.send(
        bare + b"X-API-No-Challenge: true\r\nAccept: application/problem+json\r\n\r\n"
    )
    assert b"WWW-Authenticate" not in quiet
    assert b"\r\nContent-Type: application/problem+json\r\n" in quiet
    head = await world.send(bare.replace(b"GET", b"HEAD") + b"\r\n")
    assert head.endswith(b"\r\n\r\n")
    misplaced = await world.send(world.request(pair=world.key_b))
    assert status(misplaced) == 403
    assert b"WWW-Authenticate" not in misplaced
    assert world.upstream.seen == b""


@pytest.mark.parametrize(
    ("lines", "challenged"),
    [
        (b"", True),
        (b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n", True),
        (b"Connection: Upgrade\r\nUpgrade: tcp\r\n", True),
        (b"Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n", True),
        (b"Connection: Upgrade\r\n", True),
        (b"Upgrade: websocket\r\n", True),
        (b"Upgrade: h2c\r\n", True),
        (b"X-API-No-Challenge: false\r\n", True),
        (b"Connection: Upgrade\r\nUpgrade: websocket\r\n", False),
        (b"Connection: keep-alive, UPGRADE\r\nUpgrade: WebSocket\r\n", False),
        (b"X-API-No-Challenge: True\r\n", False),
    ],
)
async def test_a_401_has_the_challenge_unless_a_websocket_is_asked_for(
    world: World, lines: bytes, challenged: bool
) -> None:
    """A script cannot answer a challenge to its WebSocket, nor a client that wants none. All others
    can, whatever other protocol they offer: Java's client offers h2c with its first request."""
    bare = b"GET /v1/projects/a/x HTTP/1.1\r\nHost: h\r\n"
    answer = await world.send(bare + lines + b"\r\n", shut=True)
    assert status(answer) == 401
    assert (b"\r\nWWW-Authenticate: Basic " in answer) == challenged


async def test_a_key_reaches_its_own_environments_and_no_other(world: World) -> None:
    """One table of key, path and status."""
    cases = [
        (world.key_a, b"/v1/projects/a/x", 200),
        (world.key_a, b"/v2-beta/projects/a/x", 200),
        (world.key_a, b"/v1/projects/b/x", 403),
        (world.key_a, b"/v1/projects", 403),
        (world.user, b"/v1/projects/a/x", 200),
        (world.user, b"/v1/projects/b/x", 404),
        (world.user, b"/v1/projects", 200),
        (world.admin, b"/v1/projects/b/x", 200),
        (world.admin, b"/v1/projects/none/x", 404),
    ]
    for pair, target, expected in cases:
        assert status(await world.send(world.request(target, pair=pair))) == expected, target


async def test_a_wrong_secret_is_refused(world: World) -> None:
    """Its seal does not match, or it is the secret of another key."""
    for value in ("wgs_" + "1" * 40, world.key_b.secret, ""):
        pair = base64.b64encode(f"{world.key_a.key.access_key}:{value}".encode())
        raw = b"GET /v1/projects/a/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
        assert status(await world.send(raw + b"Authorization: Basic " + pair + b"\r\n\r\n")) == 401


async def test_a_change_takes_effect_for_the_next_request(world: World) -> None:
    """The connection is open, and its credentials were valid a moment ago."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)

    async def ask() -> int:
        writer.write(world.request(pair=world.user, close=False))
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        assert length
        await reader.readexactly(int(length[1]))
        return status(head)

    user, a = world.user, world.environment_a
    assert await ask() == 200
    await world.put(renewed(user, state=State.INACTIVE))
    assert await ask() == 401
    await world.put(renewed(user, expires=1))
    assert await ask() == 401
    await world.put(user.key)
    assert await ask() == 200
    owner = account(2, AccountKind.USER)
    await world.put(type(owner)(2, owner.uuid, owner.kind, owner.name, None, State.INACTIVE, 0))
    assert await ask() == 401
    await world.put(owner)
    await world.put(type(a)(a.id, a.uuid, a.slug, a.name, None, State.INACTIVE, 0))
    assert await ask() == 404
    assert status(await world.send(world.request(pair=world.key_a))) == 401
    await world.put(a)
    async with world.store.write() as change:
        membership = await change.get_membership(2, 3)
        assert membership
        await change.end_membership(membership)
    assert await ask() == 404
    await world.put(membership)
    assert await ask() == 200
    await world.put(renewed(user, state=State.REMOVED, removed=1))
    assert await ask() == 401
    await world.put(user.key)
    writer.close()


async def test_purging_an_environment_leaves_its_slug_to_the_next_owner(world: World) -> None:
    """An environment is removed, another gets its slug, and then the first is purged."""
    old = world.environment_b
    request = world.request(b"/v1/projects/b/x", pair=world.admin, close=False)
    assert status(await world.send(request, shut=True)) == 200
    await world.put(replace(old, state=State.REMOVED, removed=1))
    assert status(await world.send(request, shut=True)) == 404
    new = replace(old, id=77, uuid="u77")
    await world.put(new)
    assert status(await world.send(request, shut=True)) == 200
    await world.put(replace(old, state=State.PURGED, removed=1))
    assert status(await world.send(request, shut=True)) == 200
    await world.put(replace(new, state=State.PURGED), replace(old, state=State.ACTIVE))


async def test_a_new_key_works_at_once(world: World) -> None:
    """The refusal before it was made is not remembered."""
    pair = new_key(world.store, 77, account_id=1)
    assert status(await world.send(world.request(pair=pair))) == 401
    await world.put(pair.key)
    assert status(await world.send(world.request(pair=pair))) == 200
