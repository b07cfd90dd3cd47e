"""An exchange: what the upstream gets, what the client gets, and how either may end."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.domain.model import AccountKind, State
from tests.harness import OK, World, account, new_key, renewed, running_world, status
from tests.patience import PATIENCE

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
        "Via: 1.1 wardgate",
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
        (world.user, b"/v1/projects/b/x", 403),
        (world.user, b"/v1/projects", 200),
        (world.admin, b"/v1/projects/b/x", 200),
        (world.admin, b"/v1/projects/none/x", 403),
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
    assert await ask() == 403
    assert status(await world.send(world.request(pair=world.key_a))) == 401
    await world.put(a)
    async with world.store.write() as change:
        membership = await change.get_membership(2, 3)
        assert membership
        await change.end_membership(membership)
    assert await ask() == 403
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
    assert status(await world.send(request, shut=True)) == 403
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


# --- ends ---


@pytest.mark.parametrize(
    "method", [b"GET", b"HEAD", b"OPTIONS", b"POST", b"PUT", b"DELETE", b"PATCH"]
)
async def test_a_request_on_a_dead_pooled_connection_is_retried_only_if_that_is_safe(
    world: World, method: bytes
) -> None:
    """Safe is a request without a body that only reads; any other is sent once at most."""
    connections = 0

    async def once_each(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        for _ in range(1 if connections == 1 else 2):
            world.upstream.requests.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
        if connections == 1:
            await reader.readuntil(b"\r\n\r\n")  # and never answers it

    world.upstream.handle = once_each
    assert status(await world.send(world.request())) == 200
    safe = method in {b"GET", b"HEAD", b"OPTIONS"}
    assert status(await world.send(world.request(method=method))) == (200 if safe else 502)
    assert connections == (2 if safe else 1)
    assert world.log()[-1].get("retried", False) == safe


async def test_a_client_that_aborts_ends_its_request_to_the_upstream(world: World) -> None:
    """The upstream sees its connection end, and no complete request."""
    began, ended = asyncio.Event(), asyncio.Event()

    async def patient(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"half")
        began.set()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await reader.readexactly(10_000_000)
        ended.set()

    world.upstream.handle = patient
    _, writer = await asyncio.open_connection("127.0.0.1", world.port)
    writer.write(
        world.request(b"/v1/projects/a/x", b"Content-Length: 100", method=b"POST") + b"half"
    )
    await began.wait()
    writer.transport.abort()
    await asyncio.wait_for(ended.wait(), PATIENCE)


async def test_a_client_that_closes_its_side_still_gets_its_response(world: World) -> None:
    """A FIN means that the client sends no more, not that it does not read."""
    assert status(await world.send(world.request(close=False), shut=True)) == 200
    length = b"Content-Length: 5"
    post = world.request(b"/v1/projects/a/x", length, method=b"POST", close=False)
    world.upstream.forget()
    assert status(await world.send(post + b"hello", shut=True)) == 200
    assert status(await world.send(post + b"hell", shut=True)) == 400
    assert len(world.upstream.requests) == 1


async def test_a_body_of_many_turns_is_whole_where_the_client_closed_its_side_early(
    tmp_path: Path,
) -> None:
    """It is all there before the upstream is connected, and is handed over turn by turn."""
    body = b"1\r\nx\r\n" * 1400 + b"0\r\n\r\n"
    async with running_world(tmp_path) as world:
        field = b"Transfer-Encoding: chunked"
        raw = world.request(b"/v1/projects/a/x", field, method=b"POST", close=False)
        assert status(await world.send(raw + body, shut=True)) == 200
        assert status(await world.send(raw + body[:-1], shut=True)) == 400
        assert [line.get("reason") for line in world.log()] == [None, "body-incomplete"]


async def test_a_final_response_before_the_end_of_the_body_ends_both_connections(
    world: World,
) -> None:
    """The response is relayed; neither connection is in a known state afterwards."""

    async def hasty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        world.upstream.requests.append(await reader.read())

    world.upstream.handle = hasty
    answer = await world.send(
        world.request(b"/v1/projects/a/x", b"Content-Length: 100", method=b"POST", close=False)
        + b"half"
    )
    assert status(answer) == 413
    assert b"\r\nConnection: close\r\n" in answer


async def test_a_large_body_passes_unchanged_in_both_directions(world: World) -> None:
    """50 MB in each direction, and the same bytes at both ends."""
    block = hashlib.sha256(b"seed").digest() * 2048
    blocks = 50 * 16

    async def mirror(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (blocks * len(block)))
        for _ in range(blocks):
            writer.write(await reader.readexactly(len(block)))
            await writer.drain()
        await reader.read()

    world.upstream.handle = mirror
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    length = b"Content-Length: %d" % (blocks * len(block))
    writer.write(world.request(b"/v1/projects/a/x", length, method=b"POST"))

    async def push() -> None:
        for _ in range(blocks):
            writer.write(block)
            await writer.drain()

    pushing = asyncio.ensure_future(push())
    head = await reader.readuntil(b"\r\n\r\n")
    assert status(head) == 200
    for _ in range(blocks):
        assert await reader.readexactly(len(block)) == block
    assert await reader.read() == b""
    await pushing
    writer.close()


async def test_the_idle_timeout_of_a_response_begins_with_its_head(tmp_path: Path) -> None:
    """Time that passed before the head, within `first_byte_timeout`, does not count."""
    arrived, go_on, end = (asyncio.Event() for _ in range(3))

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        arrived.set()
        await go_on.wait()
        writer.write(OK.removesuffix(b"ok"))
        await end.wait()
        writer.write(b"ok")

    async with running_world(tmp_path, dial={"idle_timeout": 10}) as world:
        world.upstream.handle = late
        world.stop_clock()
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(world.request())
        await arrived.wait()
        for _ in range(20):
            world.pass_time(1.0)
        go_on.set()
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(5):
            world.pass_time(1.0)
        end.set()
        assert await reader.read() == b"ok"
        writer.close()


async def test_an_unreachable_upstream_is_a_502(world: World, tmp_path: Path) -> None:
    """The gateway runs without it, and refuses the requests for it."""
    async with running_world(tmp_path, dial={"url": "http://127.0.0.1:1"}) as alone:
        answer = await alone.send(alone.request())
        assert status(answer) == 502
        assert alone.log()[0]["reason"] == "upstream-unreachable"


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"DELETE", b"OPTIONS"])
async def test_a_body_that_an_upstream_does_not_read_is_never_a_second_request(
    world: World, method: bytes
) -> None:
    """If the method gives a body no meaning, no other request uses its connection."""
    taken: list[int] = []

    async def heedless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read everything as heads, until one says that it is the last."""
        taken.append(0)
        request = b""
        while b"\r\nConnection: close\r\n" not in request:
            request = await reader.readuntil(b"\r\n\r\n")
            taken[-1] += 1
            writer.write(OK if b"/a/" in request else OK.replace(b"ok", b"no"))

    world.upstream.handle = heedless
    body = b"GET /v1/projects/b/x HTTP/1.1\r\nHost: h\r\n\r\n"
    length = b"Content-Length: %d" % len(body)
    raw = world.request(b"/v1/projects/a/x", length, method=method, close=False) + body
    answer = await world.send(raw + world.request())
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert not answer.endswith(b"no")
    assert taken[0] == 1
    assert len(taken) == 2
