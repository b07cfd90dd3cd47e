"""What routes, targets, limits, traces and expiry do to one request, all at once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.domain.limits import parse_limits
from proxy.domain.usage import DAY
from tests.harness import alter, status
from tests.proxy.gateway.several import Server, Several, several
from tests.proxy.gateway.test_balancer import refuses
from tests.proxy.gateway.test_limit_answers import fields
from tests.support.clocks import Clock

NOON = "2026-11-27T12:00:00"
ROUTE: dict[str, Any] = {
    "path": "/v1/projects/{environment}/**",
    "strip_prefix": "/v1",
    "add_prefix": "/api",
    "ratelimit_fields": True,
    "response_headers": {"set": {"X-Frame-Options": "DENY"}, "remove": ["Server"]},
    "first_byte_timeout": 30,
}
AROUND: dict[str, Any] = {
    "routes": [ROUTE],
    "tracing": {"endpoint": "http://127.0.0.1:9/v1/traces", "share": 1.0},
    "expiry_notice_days": 14,
}
PARENT = b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Several]:
    """Two servers behind a route that changes requests and answers; the key has limits, and expires
    in a week."""
    async with several(tmp_path, around=AROUND, balance="round_robin", ejection=None) as made:
        clock = Clock.of(made.world.node, NOON)
        key = made.world.key_a.key
        limits = parse_limits({"rate": "60/min", "burst": 10, "quota": "1000/day"})
        await made.world.put(replace(key, limits=limits, expires=clock.now + 7 * DAY))
        alter(made.world.node.gateway, wall=clock.now)
        made.world.stop_clock()
        yield made


def moved(server: Server) -> bytes:
    """An answer that sends the client to another place of the same server."""
    location = f"{server.url}/api/projects/a/y".encode()
    head = b"HTTP/1.1 302 Found\r\nServer: x\r\nWardgate-Key-Expires: never\r\nLocation: %b\r\n"
    return head % location + b"Content-Length: 0\r\n\r\n"


async def test_a_request_that_is_sent_again_is_counted_once_and_changed_alike(
    two: Several,
) -> None:
    """The second attempt has the same path and another parent in the same trace; the client gets
    one answer, with what is left after one request."""
    bad, good = two.servers
    bad.upstream.handle = refuses
    good.upstream.respond = lambda _: moved(good)
    answers = [await two.world.send(two.world.request(b"/v1/projects/a/x", PARENT)) for _ in "ab"]
    for number, answer in enumerate(answers):
        head = answer.partition(b"\r\n\r\n")[0]
        assert status(answer) == 302
        assert b"\r\nLocation: /v1/projects/a/y\r\n" in head
        assert head.count(b"\r\nX-Frame-Options: DENY") == 1
        assert b"\r\nServer:" not in head
        assert re.findall(rb"Wardgate-Key-Expires: ([^\r]*)", head) == [
            b"Fri, 04 Dec 2026 12:00:00 GMT"
        ]
        left = re.findall(r'"key-(?:rate|quota)";r=(\d+)', fields(answer)["RateLimit"])
        assert left == [str(9 - number), str(999 - number)]
    spans = set()
    for request in good.upstream.requests:
        assert request.startswith(b"GET /api/projects/a/x HTTP/1.1\r\n")
        ((trace, span),) = re.findall(rb"traceparent: 00-([0-9a-f]{32})-([0-9a-f]{16})-01", request)
        assert trace == b"4bf92f3577b34da6a3ce929d0e0e4736"
        spans.add(span)
    assert len(spans) == len(good.upstream.requests) == 2
    lines = two.world.log()
    assert [line["status"] for line in lines] == [302, 302]
    assert [line.get("retried", False) for line in lines].count(True) == 1


async def test_a_post_that_a_server_may_have_seen_is_counted_and_not_sent_again(
    two: Several,
) -> None:
    """It fails, with the limits that it has used."""
    for server in two.servers:
        server.upstream.handle = refuses
    answer = await two.world.send(two.world.request(method=b"POST"))
    assert status(answer) == 502
    (line,) = two.world.log()
    assert not line.get("retried", False)
    for server in two.servers:
        server.upstream.handle = None
    answer = await two.world.send(two.world.request())
    left = re.findall(r'"key-(?:rate|quota)";r=(\d+)', fields(answer)["RateLimit"])
    assert left == ["8", "998"]


async def test_a_gateway_stops_although_nobody_takes_its_traces(tmp_path: Path) -> None:
    """The receiver is gone, and does not hold it up."""
    async with asyncio.timeout(40):
        async with several(tmp_path, around=AROUND) as two:
            assert await two.ask(3) == {200: 3}
