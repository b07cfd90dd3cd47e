"""Forward-auth: what a proxy is told, and what is kept of its question."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from proxy.domain.limits import parse_limits
from proxy.domain.model import Role
from proxy.domain.usage import DAY, Dimension, UsageQuery
from proxy.metrics.requests import of_requests
from tests.asking import asked, path, x_original
from tests.harness import World, alter, renewed, running_world, status, until
from tests.proxy.metrics.scrape import scrape

pytestmark = pytest.mark.asyncio(loop_scope="module")

X_ORIGINAL = {"listen": "127.0.0.1:0", "fields": "x-original"}
BEHIND_TWO = [{"path": "/ping", "access": "public"}, {"path": "/v1/projects/{environment}/**"}]
CLOSE = b"Connection: close\r\n"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """One gateway for the file."""
    folder = tmp_path_factory.mktemp("w")
    async with running_world(
        folder, forward_auth=X_ORIGINAL, routes=BEHIND_TWO, trusted_proxies=["192.0.2.0/24"]
    ) as world:
        yield world


@pytest_asyncio.fixture(loop_scope="module")
async def world(shared: World) -> AsyncIterator[World]:
    """The gateway of the file, whose keys are as they were."""
    shared.renew()
    yield shared
    await shared.put(shared.key_a.key)


def question(world: World, told: bytes, *, close: bool = True) -> bytes:
    """A request that presents the key of `a`, with these field lines."""
    fields = b"Host: h\r\n" + world.key_a.basic + told + (CLOSE if close else b"")
    return b"GET / HTTP/1.1\r\n" + fields + b"\r\n"


METHOD, TARGET = b"X-Original-Method: GET\r\n", b"X-Original-URI: /v1/projects/a/x\r\n"
CLIENT = b"X-Forwarded-For: 127.0.0.1\r\n"
WHOLE = METHOD + TARGET + CLIENT


async def test_a_proxy_is_told_who_asks(world: World) -> None:
    """In the fields that an upstream gets from the gateway, and nothing else of the key."""
    answer = await world.ask(question(world, WHOLE + b"X-Request-Id: an-id\r\n"))
    answer = re.sub(rb"Date: [^\r]*", b"Date: @", answer)
    assert answer == (
        b"HTTP/1.1 200 OK\r\nDate: @\r\nContent-Length: 0\r\nCache-Control: no-store\r\n"
        b"X-Wardgate-Key: %b\r\nX-Wardgate-Environment: a\r\nX-Wardgate-Role: owner\r\n"
        b"Connection: close\r\nX-Request-Id: an-id\r\n\r\n" % world.key_a.key.access_key.encode()
    )
    assert world.upstream.requests == []


@pytest.mark.parametrize(
    "told",
    [
        TARGET + CLIENT,
        METHOD + CLIENT,
        METHOD + TARGET,
        CLIENT,
        METHOD + WHOLE,
        TARGET + WHOLE,
        WHOLE.replace(b"/v1/projects/a/x", b"/v1/projects/b/x") + TARGET,
        METHOD.replace(b"GET", b"") + TARGET + CLIENT,
        METHOD + TARGET.replace(b"/v1/projects/a/x", b"") + CLIENT,
        METHOD.replace(b"GET", b"GET /v1/projects/a/x HTTP/1.1") + TARGET + CLIENT,
        METHOD + TARGET.replace(b"/x", b"/x HTTP/1.1") + CLIENT,
        METHOD + TARGET.replace(b" /", b"  /") + CLIENT,
        METHOD + TARGET.replace(b"/x", b"/x\t") + CLIENT,
        METHOD + TARGET + b"X-Forwarded-For: \r\n",
        METHOD + TARGET + b"X-Forwarded-For: unknown\r\n",
        METHOD + TARGET + b"X-Forwarded-For: 127.0.0.1, _hidden\r\n",
        METHOD + TARGET + b"X-Real-IP: 127.0.0.1\r\n",
        METHOD + TARGET + b"Forwarded: for=127.0.0.1\r\n",
        METHOD.replace(b"-", b"_") + TARGET + CLIENT,
        METHOD + TARGET.replace(b"-", b"_") + CLIENT,
        WHOLE.replace(b"Original", b"Forwarded"),
    ],
)
async def test_what_is_not_told_exactly_once_is_refused(world: World, told: bytes) -> None:
    """Also where another field tells it, that other proxies send."""
    assert status(await world.ask(question(world, told))) == 400


@pytest.mark.parametrize(
    "told",
    [
        b"X-Forwarded-Method: DELETE\r\nX-Forwarded-Uri: /v1/projects/b/x\r\n",
        b"X-Original_URI: /v1/projects/b/x\r\nX_ORIGINAL_METHOD: DELETE\r\n",
        b"X-Original-URL: /v1/projects/b/x\r\nX-HTTP-Method-Override: DELETE\r\n",
        b"X-Real-IP: 192.0.2.1\r\nForwarded: for=192.0.2.1\r\n",
        b"X-Wardgate-Key: other\r\nX-Wardgate-Role: owner\r\n",
    ],
)
async def test_a_field_that_is_not_configured_tells_nothing(world: World, told: bytes) -> None:
    """It comes from the client."""
    await world.put(
        renewed(
            world.key_a, limits=parse_limits({"networks": ["127.0.0.1"], "scopes": ["GET /**"]})
        )
    )
    expected = await world.ask(question(world, WHOLE))
    answer = await world.ask(question(world, told + WHOLE))
    assert status(answer) == status(expected) == 200
    assert re.findall(rb"X-W[^\r]*", answer) == re.findall(rb"X-W[^\r]*", expected)


async def test_a_peer_that_may_not_ask_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    """And its connection ends."""
    peers = {"peers": ["192.0.2.1"]}
    async with running_world(tmp_path, forward_auth=X_ORIGINAL | peers) as world:
        answer = await world.ask(b"G")
        assert status(answer) == 403
        assert b"\r\nConnection: close\r\n" in answer
        (line,) = world.log()
        assert (line["reason"], line["forward_auth"]) == ("asked-by", True)
        assert status(await world.ask(question(world, WHOLE))) == 403
        assert world.upstream.requests == []


async def test_everybody_who_can_open_a_unix_socket_may_ask(tmp_path: Path) -> None:
    """As for a listener with `proxy_protocol`."""
    listen = {"listen": f"unix:{tmp_path}/auth.sock", "peers": ["192.0.2.1"]}
    async with running_world(tmp_path, forward_auth=X_ORIGINAL | listen) as world:
        reader, writer = await asyncio.open_unix_connection(f"{tmp_path}/auth.sock")
        writer.write(question(world, WHOLE))
        assert status(await reader.read()) == 200
        writer.close()


@pytest.mark.parametrize(
    ("listed", "client"),
    [
        (b"198.51.100.7", "198.51.100.7"),
        (b"203.0.113.9, 198.51.100.7", "198.51.100.7"),
        (b"198.51.100.7, 192.0.2.5", "198.51.100.7"),
        (b"203.0.113.9, 198.51.100.7, 192.0.2.5, 127.0.0.1", "198.51.100.7"),
        (b"203.0.113.9\r\nX-Forwarded-For: 198.51.100.7", "198.51.100.7"),
    ],
)
async def test_the_client_is_the_last_hop_that_is_no_trusted_proxy(
    world: World, listed: bytes, client: str
) -> None:
    """By the rule of `trusted_proxies`, to which the peers are added. Networks go by it, and the
    log."""
    for network, expected in ((client, 200), ("203.0.113.9", 403)):
        await world.put(renewed(world.key_a, limits=parse_limits({"networks": [network]})))
        told = METHOD + TARGET + b"X-Forwarded-For: %b\r\n" % listed
        assert status(await world.ask(question(world, told))) == expected
        assert world.log()[-1]["client"] == client


async def test_the_client_may_be_told_in_x_real_ip(tmp_path: Path) -> None:
    """Then X-Forwarded-For tells nothing."""
    async with running_world(tmp_path, forward_auth=X_ORIGINAL | {"client": "x-real-ip"}) as world:
        real = b"X-Real-IP: 198.51.100.7\r\n"
        for told, expected in (
            (real + b"X-Forwarded-For: 203.0.113.9\r\n", 200),
            (real, 200),
            (real + real, 400),
            (real.replace(b"\r", b", 192.0.2.1\r"), 400),
            (CLIENT, 400),
        ):
            assert status(await world.ask(question(world, METHOD + TARGET + told))) == expected
            if expected == 200:
                assert world.log()[-1]["client"] == "198.51.100.7"


async def test_guesses_count_for_the_client_and_not_for_the_proxy(world: World) -> None:
    """One client that guesses does not keep the others from asking."""
    key = renewed(world.key_a, id=50, access_key="imported", sealed=False)
    await world.put(key)
    world.inside.drop_floor(4)
    guess = b"Host: h\r\nAuthorization: Basic aW1wb3J0ZWQ6Z3Vlc3M=\r\n" + CLOSE
    statuses = [
        status(await world.ask(x_original(b"GET", b"/v1/projects/a/x", guess, b"198.51.100.7")))
        for _ in range(25)
    ]
    assert statuses[0] == 401
    assert statuses[-1] == 429
    good = b"Host: h\r\n" + world.key_a.basic + CLOSE
    asking = x_original(b"GET", b"/v1/projects/a/x", good, b"198.51.100.8")
    assert status(await world.ask(asking)) == 200


async def test_the_answer_is_framed_as_the_question_is(world: World) -> None:
    """A refusal of an original HEAD has a body where the proxy asks with GET; and a body is never
    asked about."""
    told = WHOLE.replace(b"/a/", b"/b/").replace(b"GET", b"HEAD")
    answer = await world.ask(question(world, told))
    length = re.search(rb"Content-Length: (\d+)", answer)
    assert length is not None
    assert len(answer.partition(b"\r\n\r\n")[2]) == int(length[1]) > 0
    with_body = question(world, WHOLE + b"Content-Length: 5\r\n") + b"GET /x"
    assert re.findall(rb"HTTP/1.1 (\d+)", await world.ask(with_body)) == [b"413"]


async def test_a_connection_is_kept_and_each_question_judged_by_itself(world: World) -> None:
    """Also where the same head comes again, and where only the target or the key differs."""
    again = question(world, WHOLE, close=False)
    other = again.replace(b"/a/x", b"/b/x")
    nobody = re.sub(rb"Authorization: [^\r]*", b"Authorization: Basic eDp5", again)
    pieces = [
        again,
        again,
        other,
        again,
        nobody,
        again,
        other,
        other,
        again,
        question(world, WHOLE),
    ]
    answer = await world.ask(b"".join(pieces))
    expected = [200, 200, 403, 200, 401, 200, 403, 403, 200, 200]
    assert [int(each) for each in re.findall(rb"HTTP/1.1 (\d+)", answer)] == expected
    await world.put(renewed(world.key_a, limits=parse_limits({"networks": ["192.0.2.1"]})))
    assert status(await world.ask(again, question(world, WHOLE))) == 403


async def test_an_http_1_0_question_is_answered_and_its_connection_ends(world: World) -> None:
    """As nginx asks unless it is told to do better."""
    asking = question(world, WHOLE, close=False).replace(b"/ HTTP/1.1", b"/ HTTP/1.0")
    answer = await world.ask(asking)
    assert status(answer) == 200
    assert b"\r\nConnection: close\r\n" in answer


OFFER = b"Connection: Upgrade\r\nUpgrade: %b\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (OFFER % b"websocket", 200),
        (OFFER % b"h2c", 403),
        (OFFER % b"websocket, h2c", 403),
        (OFFER % b"tcp", 403),
        (b"Connection: Upgrade\r\nUpgrade: websocket\r\n", 400),
    ],
)
async def test_an_offer_that_the_route_does_not_list_is_refused(
    world: World, lines: bytes, expected: int
) -> None:
    """The gateway would not pass it on, but the proxy may."""
    head = question(world, WHOLE + lines, close=False)
    reader, writer = await asyncio.open_connection(*_place(world))
    writer.write(head)
    answer = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    assert status(answer) == expected


def _place(world: World) -> tuple[str, int]:
    host, _, port = world.node.gateway.forward_auth_urls[0].removeprefix("http://").partition(":")
    return host, int(port)


async def test_a_websocket_is_known_by_its_key_where_the_proxy_holds_back_its_offer(
    world: World,
) -> None:
    """As Traefik does: a readonly key may not open one."""
    await world.put(renewed(world.key_a, role=Role.READONLY))
    key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    assert status(await world.ask(question(world, WHOLE))) == 200
    assert status(await world.ask(question(world, WHOLE + key))) == 403


async def test_options_about_the_server_itself_is_refused(tmp_path: Path) -> None:
    """The gateway answers `OPTIONS *` itself, without a key; a proxy would ask its API."""
    forward_auth = X_ORIGINAL | {"fields": "path"}
    async with running_world(tmp_path, forward_auth=forward_auth) as world:
        fields = b"Host: h\r\n" + world.key_a.basic + CLOSE
        assert status(await world.ask(path(b"OPTIONS", b"*", fields))) == 400


async def test_envoy_is_told_to_remove_what_is_absent_from_the_identity(tmp_path: Path) -> None:
    """It keeps fields of its client that the answer does not name.

    https://www.envoyproxy.io/docs/envoy/latest/api-v3/service/auth/v3/external_auth.proto
    """
    forward_auth = X_ORIGINAL | {"fields": "path"}
    async with running_world(tmp_path, forward_auth=forward_auth, routes=BEHIND_TWO) as world:
        every = "X-Wardgate-Key, X-Wardgate-Account, X-Wardgate-Environment, X-Wardgate-Role"
        for request, absent in (
            (world.request(), "X-Wardgate-Account"),
            (world.request(pair=world.user), None),
            (world.request(b"/ping"), every),
        ):
            answer = await world.ask(asked("path", request))
            found = re.search(rb"X-Envoy-Auth-Headers-To-Remove: ([^\r]*)", answer)
            assert (found and found[1].decode()) == absent


async def test_a_question_is_logged_and_counted_as_one(world: World) -> None:
    """With a mark in the log, as a request of its key in the usage, and in metrics of its own."""
    telemetry = world.node.gateway.telemetry
    before, lines = list(telemetry.by_forward_auth), len(world.log())
    await world.node.usage.write()
    query = UsageQuery(0, 10**6 * DAY, by=(Dimension("key"), Dimension("status")))
    used = {row.values: row.requests for row in await world.store.sum_usage(query)}
    hostile = WHOLE.replace(b"/a/x", b"/a/../b?hunter2")
    for told in (WHOLE, WHOLE.replace(b"/a/x", b"/b/x?hunter2"), hostile, b""):
        await world.ask(question(world, told))
    permitted, denied, malformed, nothing = world.log()[lines:]
    assert permitted["path"] == "/v1/projects/a/x"
    assert permitted["key"] == "1c3"
    assert (denied["path"], denied["reason"]) == ("/v1/projects/b/x", "environment")
    assert (malformed["path"], malformed["reason"]) == ("/v1/projects/a/../b", "target")
    assert nothing["reason"] == "original"
    for each in (permitted, denied, malformed, nothing):
        assert each["forward_auth"] is True
    asked_so_far = [now - then for now, then in zip(telemetry.by_forward_auth, before, strict=True)]
    assert asked_so_far == [0, 0, 1, 0, 3, 0]
    found = scrape(lambda: of_requests(telemetry, world.node.usage))
    assert found["wardgate_forward_auth_total", "2xx"] > 0
    await world.node.usage.write()
    now = {row.values: row.requests for row in await world.store.sum_usage(query)}
    assert now.get((3, 2), 0) - used.get((3, 2), 0) == 1
    assert now.get((3, 4), 0) - used.get((3, 4), 0) == 1
    assert b"hunter2" not in world.log_file.read_bytes()


async def test_a_decision_uses_a_quota_once(world: World) -> None:
    """A refusal by a limit has the fields of the gateway's."""
    await world.put(renewed(world.key_a, limits=parse_limits({"quota": "2/day"})))
    answers = [await world.ask(question(world, WHOLE)) for _ in range(3)]
    assert [status(each) for each in answers] == [200, 200, 429]
    assert b"\r\nRetry-After: " in answers[2]


async def test_a_stop_ends_kept_connections_and_a_reload_does_not(tmp_path: Path) -> None:
    """What a proxy keeps open is no request."""
    async with running_world(tmp_path, forward_auth=X_ORIGINAL) as world:
        reader, writer = await asyncio.open_connection(*_place(world))
        writer.write(question(world, WHOLE, close=False))
        assert status(await reader.readuntil(b"\r\n\r\n")) == 200
        await world.node.reload(
            world.node.config.model_copy(update={"trusted_proxies": [], "via": True})
        )
        writer.write(question(world, WHOLE, close=False))
        assert status(await reader.readuntil(b"\r\n\r\n")) == 200
        alter(world.node.gateway, draining=True)
        writer.write(question(world, WHOLE, close=False))
        assert b"Connection: close" in await reader.readuntil(b"\r\n\r\n")
        assert await reader.read() == b""
        writer.close()
        await until(lambda: world.node.gateway.connected == 0)
