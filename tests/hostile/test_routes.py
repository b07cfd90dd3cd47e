"""Routes that differ in all that they may change, in turn on one connection: none leaves anything
to the next request."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.harness import RecordingUpstream, World, running_world

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROJECTS = "/v1/projects/{environment}"
EVEN = {"default": 1, "other": 1}
ROUTES: list[dict[str, Any]] = [
    {"path": f"{PROJECTS}/bare/**", "strip_prefix": "/v1"},
    {"path": f"{PROJECTS}/moved/**", "strip_prefix": "/v1", "add_prefix": "/v9", "upstream": EVEN},
    {"path": f"{PROJECTS}/small/**", "body_size": 3},
    {"path": f"{PROJECTS}/other/**", "upstream": "other"},
    {
        "path": f"{PROJECTS}/ruled/**",
        "response_headers": {"set": {"X-Rule": "1"}, "remove": ["Server"]},
    },
    {"path": f"{PROJECTS}/pages/**", "cors": {"origins": ["*"]}, "ratelimit_fields": True},
    {"path": f"{PROJECTS}/**"},
]
ANSWER = (
    b"HTTP/1.1 200 OK\r\nServer: s\r\nLocation: /v9/projects/x\r\nSet-Cookie: a=b; Path=/\r\n"
    b"Content-Length: 2\r\n\r\nok"
)


class Both(NamedTuple):
    """A gateway, and the upstreams of its routes."""

    world: World
    upstreams: list[RecordingUpstream]

    def requests(self) -> list[tuple[int, bytes]]:
        """What they got: (number of the upstream, request without its id and Host)."""
        differing = re.compile(rb"\r\n(?:X-Request-Id|Host): [^\r]*")
        return [
            (number, differing.sub(b"", request))
            for number, upstream in enumerate(self.upstreams)
            for request in upstream.requests
        ]

    async def ask(self, requests: list[bytes]) -> tuple[list[bytes], list[tuple[int, bytes]]]:
        """The heads of the answers on one connection, without what differs from run to run, and
        what the upstreams got."""
        for upstream in self.upstreams:
            upstream.forget()
        answer = await self.world.send(*requests, shut=True)
        heads = re.findall(rb"HTTP/1\.1 \d+ .*?\r\n\r\n", answer, re.DOTALL)
        differing = re.compile(rb"\r\n(?:X-Request-Id|Date): [^\r]*|[^\r]*Connection: close\r\n")
        return [differing.sub(b"", head) for head in heads], self.requests()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Both]:
    """One gateway for all tests of this file."""
    upstreams = [RecordingUpstream(lambda _: ANSWER) for _ in range(2)]
    servers = [await asyncio.start_server(each.serve, "127.0.0.1", 0) for each in upstreams]
    places = [f"http://127.0.0.1:{each.sockets[0].getsockname()[1]}" for each in servers]
    named = {name: {"url": url} for name, url in zip(("default", "other"), places, strict=True)}
    upstreams[0].came.set()
    folder = tmp_path_factory.mktemp("world")
    async with running_world(folder, upstreams[0], upstreams=named, routes=ROUTES) as world:
        upstreams[0].respond = lambda _: ANSWER
        yield Both(world, upstreams)
    for server in servers:
        server.close()


paths = st.sampled_from(["bare", "moved", "small", "other", "ruled", "pages", "rest"])
asked = st.tuples(paths, st.sampled_from([None, b"abc", b"abcd"]), st.booleans())


@example(requests=[("moved", None, False), ("moved", None, True), ("rest", None, True)] * 2)
@given(requests=st.lists(asked, min_size=2, max_size=7))
@settings(
    max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
async def test_a_request_gets_what_its_own_route_says_whatever_came_before_it(
    both: Both, requests: list[tuple[str, bytes | None, bool]]
) -> None:
    """The answer, the path, the body and the upstream are those of the same request alone."""
    raws = []
    for path, body, user in requests:
        lines = [b"Origin: https://app.example.com"]
        if body is not None:
            lines.append(b"Content-Length: %d" % len(body))
        raw = both.world.request(
            f"/v1/projects/a/{path}/x".encode(),
            *lines,
            method=b"GET" if body is None else b"POST",
            pair=both.world.user if user else None,
            close=False,
        )
        raws.append(raw + (body or b""))
    alone = [await both.ask([raw]) for raw in raws]
    assert all(len(heads) == 1 for heads, _ in alone)
    answers, sent = await both.ask(raws)
    served = [*itertools.takewhile(lambda one: b" 413 " not in one[0][0], alone)]
    served += alone[len(served) :][:1]  # after a 413 the connection ends
    assert answers == [head for heads, _ in served for head in heads]
    assert sorted(sent) == sorted(request for _, found in served for request in found)
