"""Pages of other origins: which preflights are answered, and which responses pages may read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.harness import World, running_world, status

pytestmark = pytest.mark.asyncio(loop_scope="module")

APP, OTHER = b"https://app.example.com", b"https://evil.example.com"
OWN = {
    "origins": [APP.decode(), "http://localhost:5173"],
    "methods": ["GET", "PUT"],
    "headers": ["Content-Type", "X-Mine"],
    "expose": ["X-Request-Id", "Retry-After"],
    "max_age": 60,
}
ROUTES: list[dict[str, Any]] = [
    {"path": "/v1/projects/{environment}/**", "cors": OWN},
    {"path": "/split", "access": "any", "methods": ["GET"], "cors": OWN | {"methods": ["GET"]}},
    {"path": "/split", "access": "any", "methods": ["POST"]},
    {"path": "/split", "access": "any", "methods": ["PUT"], "cors": "upstream"},
    {"path": "/theirs", "cors": "upstream", "upgrades": ["tcp"]},
    {"path": "/public", "access": "public", "cors": {"origins": ["*"], "headers": ["*"]}},
    {"path": "/cookies", "access": "any", "cors": OWN | {"credentials": True}},
    {"path": "/dav", "access": "any", "methods": "*", "cors": {"origins": [APP.decode()]}},
    {"path": "/plain", "access": "any"},
]
OPTIONS = b"OPTIONS %b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n%b\r\n"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """One gateway for the file."""
    limits = {"body_size": 10}
    async with running_world(tmp_path_factory.mktemp("w"), routes=ROUTES, limits=limits) as world:
        yield world


@pytest.fixture
def world(shared: World) -> World:
    shared.renew()
    return shared


def preflight(
    path: bytes, method: bytes, origin: bytes = APP, asked: bytes = b"", *more: bytes
) -> bytes:
    """What a browser sends before a request by `method`."""
    lines = [b"Origin: " + origin, b"Access-Control-Request-Method: " + method]
    if asked:
        lines.append(b"Access-Control-Request-Headers: " + asked)
    return OPTIONS % (path, b"".join(line + b"\r\n" for line in (*lines, *more)))


def cors_of(answer: bytes) -> dict[str, str]:
    """The fields about other origins in the head of an answer; no name comes twice."""
    head = answer.partition(b"\r\n\r\n")[0].decode()
    pairs = [line.split(": ", 1) for line in head.split("\r\n")[1:]]
    mine = [(n.lower(), v) for n, v in pairs if n.lower().startswith(("access-control-", "vary"))]
    assert len(dict(mine)) == len(mine)
    return dict(mine)


READABLE = {
    "vary": "Origin",
    "access-control-allow-origin": APP.decode(),
    "access-control-expose-headers": "X-Request-Id, Retry-After",
}
UNREADABLE = {"vary": "Origin"}


async def test_a_preflight_is_answered_without_a_key_and_reaches_no_upstream(world: World) -> None:
    """It says what the page may send, and for how long that holds; the log says what it was."""
    asked = b"authorization,content-type,x-mine"
    answer = await world.send(preflight(b"/v1/projects/a/x", b"PUT", APP, asked))
    assert answer.startswith(b"HTTP/1.1 204 No Content\r\n")
    assert b"Content-Length" not in answer
    assert cors_of(answer) == {
        "vary": "Origin",
        "access-control-allow-origin": APP.decode(),
        "access-control-allow-methods": "GET, HEAD, PUT",
        "access-control-allow-headers": "authorization, content-type, x-api-no-challenge, x-mine",
        "access-control-max-age": "60",
    }
    line = world.log()[-1]
    assert (line["status"], line["preflight"], line.get("key")) == (204, True, None)
    assert "reason" not in line
    assert world.upstream.seen == b""


@pytest.mark.parametrize(
    ("path", "method", "origin", "asked", "expected", "reason"),
    [
        (b"/v1/projects/a/x", b"PUT", OTHER, b"", 403, "preflight-origin"),
        (b"/v1/projects/a/x", b"PUT", b"null", b"", 403, "preflight-origin"),
        (b"/public", b"PUT", b"null", b"", 403, "preflight-origin"),
        (b"/v1/projects/a/x", b"PUT", APP + b".evil.com", b"", 403, "preflight-origin"),
        (b"/v1/projects/a/x", b"PUT", APP + b":443", b"", 403, "preflight-origin"),
        (b"/v1/projects/a/x", b"PUT", APP.upper(), b"", 403, "preflight-origin"),
        (b"/v1/projects/a/x", b"DELETE", APP, b"", 403, "preflight-method"),
        (b"/v1/projects/a/x", b"PUT", APP, b"x-mine, x-other", 403, "preflight-fields"),
        (b"/v1/projects/none/x", b"PUT", APP, b"", 204, None),
        (b"/split", b"GET", APP, b"", 204, None),
        (b"/split", b"HEAD", APP, b"", 204, None),
        (b"/split", b"PUT", APP, b"", 200, None),
        (b"/split", b"POST", APP, b"", 405, "method"),
        (b"/split", b"DELETE", APP, b"", 403, "preflight-method"),
        (b"/public", b"PUT", OTHER, b"x-anything", 204, None),
        (b"/dav", b"PROPFIND", APP, b"", 204, None),
        (b"/dav", b"TRACE", APP, b"", 401, "no-credentials"),
        (b"/dav", b"G T", APP, b"", 401, "no-credentials"),
        (b"/dav", b"", APP, b"", 401, "no-credentials"),
        (b"/dav", b"GET", APP, b"," * 100, 401, "no-credentials"),
        (b"/plain", b"GET", APP, b"", 401, "no-credentials"),
        (b"/nowhere", b"GET", APP, b"", 401, "no-credentials"),
        (b"/V1/projects/a/x", b"GET", APP, b"", 400, "ambiguous-path"),
        (b"/v1/projects/%2e/x", b"GET", APP, b"", 400, "target"),
    ],
)
async def test_a_preflight_is_for_the_route_that_its_method_would_choose(
    world: World,
    path: bytes,
    method: bytes,
    origin: bytes,
    asked: bytes,
    expected: int,
    reason: str | None,
) -> None:
    """What it may not ask is refused. A path that has nothing to do with other origins is answered
    as without the preflight's fields."""
    answer = await world.send(preflight(path, method, origin, asked))
    assert status(answer) == expected
    assert world.log()[-1].get("reason") == reason
    if expected >= 400:
        assert b"Access-Control-Allow-Methods" not in answer
        assert world.upstream.seen == b""


async def test_a_route_that_accepts_every_method_names_the_one_that_is_asked_for(
    world: World,
) -> None:
    """Besides the standard ones."""
    allowed = cors_of(await world.send(preflight(b"/dav", b"PROPFIND")))
    methods = allowed["access-control-allow-methods"]
    assert methods == "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PROPFIND, PUT"


@pytest.mark.parametrize("path", [b"/v1/projects/a/x", b"/theirs"])
@pytest.mark.parametrize(
    "more",
    [
        b"Authorization: Bearer x",
        b"Authorization:",
        b"Content-Length: 1",
        b"Transfer-Encoding: chunked",
        b"Connection: upgrade\r\nUpgrade: tcp",
        b"Upgrade: tcp",
        b"Origin: https://app.example.com",
        b"Access-Control-Request-Method: PUT",
    ],
)
async def test_only_what_a_browser_sends_is_a_preflight(
    world: World, path: bytes, more: bytes
) -> None:
    """With credentials, a body, an offer of a protocol, or a field twice it needs a key."""
    answer = await world.send(preflight(path, b"PUT", APP, b"", more) + b"0\r\n\r\n")
    assert status(answer) == 401
    assert world.upstream.seen == b""


async def test_an_upstream_that_is_to_answer_gets_the_preflight_and_no_identity(
    world: World,
) -> None:
    """Its answer reaches the client as it is. Other requests need a key, OPTIONS too."""
    theirs = b"HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Origin: *\r\n\r\n"
    world.upstream.respond = lambda _request: theirs
    answer = await world.send(preflight(b"/theirs", b"PUT"))
    assert (status(answer), cors_of(answer)) == (204, {"access-control-allow-origin": "*"})
    (request,) = world.upstream.requests
    assert request.startswith(b"OPTIONS /theirs HTTP/1.1\r\n")
    assert b"Access-Control-Request-Method: PUT\r\n" in request
    assert b"X-Wardgate" not in request
    assert world.log()[-1]["preflight"] is True
    assert status(await world.send(OPTIONS % (b"/theirs", b"Origin: https://x\r\n"))) == 401
    assert len(world.upstream.requests) == 1


async def test_a_page_of_an_allowed_origin_may_read_responses_and_no_other_page(
    world: World,
) -> None:
    """What the upstream says about origins is dropped, so that nothing is said twice."""
    world.upstream.respond = lambda _request: (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\naccess-control-allow-origin: *\r\nX-A: 1\r\n"
        b"Access-Control-Max-Age: 5\r\n\r\nok"
    )
    path = b"/v1/projects/a/x"
    for lines, expected in (
        ([b"Origin: " + APP], READABLE),
        ([b"Origin: " + OTHER], UNREADABLE),
        ([b"Origin: null"], UNREADABLE),
        ([b"Origin: " + APP, b"Origin: " + APP], UNREADABLE),
        ([], UNREADABLE),
    ):
        answer = await world.send(world.request(path, *lines))
        assert answer.endswith(b"\r\n\r\nok")
        assert b"\r\nX-A: 1\r\n" in answer
        assert cors_of(answer) == expected
    answer = await world.send(world.request(b"/plain", b"Origin: " + APP, pair=world.user))
    assert b"\r\nAccess-Control-Max-Age: 5\r\n" in answer  # this route does not own it
    assert b"Vary" not in answer


async def test_pages_of_any_origin_but_null_are_named_by_an_asterisk(world: World) -> None:
    """`null` is what pages in a sandbox have."""
    for origin, named in ((OTHER, "*"), (b"null", None)):
        answer = await world.send(world.request(b"/public", b"Origin: " + origin))
        assert cors_of(answer).get("access-control-allow-origin") == named


async def test_pages_may_use_the_browsers_credentials_where_a_route_says_so(world: World) -> None:
    """In the answer to the preflight, and in the response."""
    line = b"\r\nAccess-Control-Allow-Credentials: true\r\n"
    assert line in await world.send(preflight(b"/cookies", b"GET"))
    assert line in await world.send(world.request(b"/cookies", b"Origin: " + APP))
    assert line not in await world.send(preflight(b"/v1/projects/a/x", b"GET"))


BARE = b"%b /v1/projects/a/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nOrigin: %b\r\n%b\r\n"


async def test_the_pages_of_allowed_origins_may_read_what_the_gateway_refuses(
    world: World,
) -> None:
    """Also where it refuses before it has looked for a key, and not those of other origins."""
    forbidden = world.request(b"/v1/projects/b/x", b"Origin: " + APP)
    world.upstream.respond = lambda _request: b"nonsense\r\n\r\n"
    for raw, expected in (
        (BARE % (b"GET", APP, b""), 401),
        (forbidden, 403),
        (BARE % (b"POST", APP, world.key_a.basic + b"Content-Length: 11\r\n"), 413),
        (BARE % (b"PROPFIND", APP, b""), 405),
        (BARE % (b"POST", APP, world.key_a.basic + b"Content-Length: 0\r\n"), 502),
    ):
        answer = await world.send(raw)
        assert (status(answer), cors_of(answer)) == (expected, READABLE)
        answer = await world.send(raw.replace(APP, OTHER))
        assert (status(answer), cors_of(answer)) == (expected, UNREADABLE)
    for path in (b"/plain", b"/nowhere"):
        answer = await world.send(BARE.replace(b"/v1/projects/a/x", path) % (b"GET", APP, b""))
        assert (status(answer), cors_of(answer)) == (401, {})


async def test_a_kept_connection_names_the_origin_of_each_request(world: World) -> None:
    """Whatever the request before had."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    for origin in (APP, APP, OTHER, APP, None, b"http://localhost:5173"):
        lines = [] if origin is None else [b"Origin: " + origin]
        writer.write(world.request(b"/v1/projects/a/x", *lines, close=False))
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(2)
        named = cors_of(head).get("access-control-allow-origin")
        allowed = origin not in {OTHER, None}
        assert named == (origin.decode() if origin and allowed else None)
    writer.close()


async def test_without_rules_about_origins_nothing_is_read_for_them(tmp_path: Path) -> None:
    """A configuration without `cors` treats Origin as a field that means nothing."""
    async with running_world(tmp_path) as world:
        assert world.node.gateway.runtime.fields[b"Origin"] == (None, True)
        answer = await world.send(world.request(b"/v1/projects/a/x", b"Origin: " + APP))
        assert cors_of(answer) == {}
        assert b"\r\nOrigin: https://app.example.com\r\n" in world.upstream.requests[0]
