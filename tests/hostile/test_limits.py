"""Limits against those who try to get around them, and the bytes of the refusals."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from proxy.domain.limits import parse_limits
from tests.harness import World, renewed, running_world, status
from tests.hostile import framing, heads, targets
from tests.hostile.row import PAIR
from tests.support.clocks import Clock

RATED = {"rate": "1/min", "burst": 1, "quota": "1000/day"}
ROUTES = [
    {"path": "/v1/projects/{environment}/page", "cors": {"origins": ["https://app"]}},
    {"path": "/v1/projects/{environment}/**"},
]
LINES = (
    b"Retry-After: 60\r\n"
    b'RateLimit-Policy: "key-rate";q=1;w=60, "key-quota";q=1000;w=86400\r\n'
    b'RateLimit: "key-rate";r=0;t=60\r\n'
)
BODY = (
    b'{"id":"an-id","type":"error","links":{},"actions":{},"status":429,"code":"TooManyRequests",'
    b'"message":"Too many requests: try again later",'
    b'"title":"Too many requests: try again later","detail":null,"baseType":"error"}'
)


@pytest.fixture
async def limited(tmp_path: Path) -> AsyncIterator[World]:
    """A gateway whose key of `a` may be used once a minute."""
    async with running_world(tmp_path, routes=ROUTES) as world:
        Clock.of(world.node, "2026-11-27T12:00:00")
        await world.put(renewed(world.key_a, limits=parse_limits(RATED)))
        yield world


def head(kind: bytes, more: bytes = b"") -> bytes:
    """The head of a refusal, but for its Date."""
    return (
        b"HTTP/1.1 429 Too Many Requests\r\nDate: @\r\nContent-Type: application/%b\r\n"
        b"Content-Length: %d\r\nCache-Control: no-store\r\nX-Request-Id: an-id\r\n"
        b"%b%bConnection: close\r\n\r\n" % (kind, len(BODY), LINES, more)
    )


PLAIN = head(b"json") + BODY
CORS = b"Vary: Origin\r\nAccess-Control-Allow-Origin: https://app\r\n"


@pytest.mark.parametrize(
    ("target", "method", "lines", "answer"),
    [
        (b"x", b"GET", (), PLAIN),
        (b"x", b"HEAD", (), head(b"json")),
        (b"x", b"POST", (b"Content-Length: 0",), PLAIN),
        (b"x", b"GET", (b"Accept: application/problem+json",), head(b"problem+json") + BODY),
        (b"page", b"GET", (b"Origin: https://app",), head(b"json", CORS) + BODY),
        (b"x", b"GET", (b'RateLimit: "key-rate";r=999;t=1', b"Retry-After: 0"), PLAIN),
        (b"x", b"GET", (b"X-Forwarded-For: 192.0.2.1",), PLAIN),
    ],
)
async def test_a_refusal_by_a_limit_has_exactly_these_bytes(
    limited: World, target: bytes, method: bytes, lines: Sequence[bytes], answer: bytes
) -> None:
    """Whatever else the client sends. Only its Date depends on the time."""
    assert status(await limited.send(limited.request())) == 200
    path = b"/v1/projects/a/" + target
    sent = limited.request(path, b"X-Request-Id: an-id", *lines, method=method)
    received = await limited.send(sent)
    assert re.sub(rb"Date: [^\r]*", b"Date: @", received) == answer
    assert len(limited.upstream.requests) == 1


async def test_every_spelling_of_a_request_is_counted(limited: World) -> None:
    """By one limit: another target, other fields, another connection make no difference."""
    pieces = [
        limited.request(b"/v1/projects/a/%b" % target, *lines, method=method)
        for target in (b"x", b"X", b"x?y", b"%78", b"")
        for method in (b"GET", b"HEAD", b"PUT")
        for lines in ((), (b"X-Forwarded-For: 192.0.2.1",), (b"X-Request-Id: a",))
    ]
    answers = [await limited.send(piece) for piece in pieces]
    assert [status(each) for each in answers] == [200] + [429] * (len(pieces) - 1)


async def test_a_pipeline_gets_no_more_than_single_requests(limited: World) -> None:
    """A refusal keeps the connection, and the next request on it is judged by itself."""
    request = limited.request(close=False)
    answer = await limited.send(request * 40 + limited.request())
    assert re.findall(rb"HTTP/1.1 (\d+) ", answer) == [b"200"] + [b"429"] * 40


@pytest.mark.parametrize("table", [framing, heads, targets], ids=lambda table: table.__name__)
async def test_nothing_outside_of_its_scopes_leaves_with_a_key(
    tmp_path: Path, table: object
) -> None:
    """Of all hostile requests that there are, with a key for one path of two."""
    async with running_world(tmp_path) as world:
        scope = "GET,POST /v1/projects/{environment}/x/**"
        await world.put(renewed(world.key_a, limits=parse_limits({"scopes": [scope]})))
        pair = world.key_a.credentials.authorization.removeprefix("Basic ").encode()
        for row in table.ROWS:  # type: ignore[attr-defined]
            reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
            writer.write(row.sent.replace(PAIR, pair))
            writer.write_eof()
            await reader.read()
            writer.close()
        sent = [re.split(rb"[ ?]", each, maxsplit=2) for each in world.upstream.requests]
        assert sent
        for method, path, *_ in sent:
            assert method in {b"GET", b"POST", b"HEAD"}
            assert re.fullmatch(rb"/v1/projects/[A-Za-z0-9_-]+/x(/.*)?", path), path
