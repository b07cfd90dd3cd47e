"""Methods beyond the standard ones: which routes take them, who may use them, their second path."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from proxy.domain.methods import NEVER, READ_METHODS, REGISTERED, STANDARD
from proxy.domain.model import Membership, Role
from tests.harness import World, running_world, status

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROUTES = [
    {"path": "/v1/projects/{environment}/dav/**", "methods": ["*"]},
    {"path": "/v1/projects/{environment}/cache/**", "methods": ["PURGE", "QUERY", "GET"]},
    {"path": "/v1/projects/{environment}/**"},
    {"path": "/own/**", "methods": ["PURGE", "x-Own"], "access": "admin"},
    {"path": "/own/**", "methods": "*", "access": "any"},
]
DAV = b"/v1/projects/a/dav/x"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """One gateway for all tests of this file."""
    folder: Path = tmp_path_factory.mktemp("methods")
    async with running_world(folder, routes=ROUTES) as here:
        yield here


@pytest.fixture
def world(running: World) -> World:
    """The gateway, as if it had just started."""
    running.renew()
    return running


def allow_of(answer: bytes) -> bytes | None:
    """The value of Allow in an answer."""
    found = re.search(rb"\r\nAllow: ([^\r]*)\r\n", answer)
    return found[1] if found else None


@pytest.mark.parametrize("method", sorted(REGISTERED - NEVER) + ["PURGE", "M-SEARCH", "own", "a!"])
async def test_a_route_for_all_methods_takes_any_that_can_pass(world: World, method: str) -> None:
    """And its line goes upstream as it came; other routes of the gateway answer 405."""
    name = method.encode()
    answer = await world.send(world.request(DAV, method=name))
    assert status(answer) == 200
    assert world.upstream.requests[0].startswith(name + b" " + DAV + b" HTTP/1.1\r\n")
    elsewhere = await world.send(world.request(method=name))
    assert status(elsewhere) == (200 if method in STANDARD else 405)


@pytest.mark.parametrize("method", [*sorted(NEVER), "trace", "Connect", "get", "propfind", "moVE"])
async def test_a_method_that_never_passes_is_a_405_with_allow(world: World, method: str) -> None:
    """Nor does a registered one in another case, which some upstreams would read as that one."""
    answer = await world.send(world.request(DAV, method=method.encode()))
    assert status(answer) == 405
    assert allow_of(answer) == ", ".join(STANDARD).encode()
    assert world.upstream.requests == []


async def test_a_405_names_the_methods_that_the_route_takes(world: World) -> None:
    """Those that it lists, or the standard ones."""
    listed = await world.send(world.request(b"/v1/projects/a/cache/x", method=b"PROPFIND"))
    assert (status(listed), allow_of(listed)) == (405, b"GET, HEAD, PURGE, QUERY")
    plain = await world.send(world.request(method=b"QUERY"))
    assert (status(plain), allow_of(plain)) == (405, ", ".join(sorted(STANDARD)).encode())
    for method in (b"PURGE", b"QUERY", b"HEAD"):
        raw = world.request(b"/v1/projects/a/cache/x", method=method)
        assert status(await world.send(raw)) == 200


async def test_another_case_of_a_listed_method_is_not_another_method(world: World) -> None:
    """An upstream that does not distinguish cases would do what the other route is for."""
    for method, expected in ((b"PURGE", 403), (b"purge", 405), (b"X-OWN", 405), (b"other", 200)):
        assert status(await world.send(world.request(b"/own/x", method=method))) == expected


async def test_a_readonly_role_may_use_what_the_registry_calls_safe(world: World) -> None:
    """And nothing else."""
    await world.put(Membership(1, 2, 3, Role.READONLY, 0))
    safe = {"GET", "HEAD", "OPTIONS", "PROPFIND", "QUERY", "REPORT", "SEARCH"}
    assert safe == READ_METHODS
    for method in sorted(REGISTERED - NEVER | {"PURGE"}):
        answer = await world.send(world.request(DAV, method=method.encode(), pair=world.user))
        assert status(answer) == (200 if method in safe else 403), method


@pytest.mark.parametrize(
    ("destination", "expected"),
    [
        (b"/v1/projects/a/dav/y", 200),
        (b"http://gateway/v1/projects/a/dav/y", 200),
        (b"HTTPS://GATEWAY/v1/projects/a/dav/y%20z/", 200),
        (b"https://[::1]:8443/v1/projects/a/dav/y", 400),
        (b"http://other.example/v1/projects/a/dav/y", 400),
        (b"http://gateway:99999/v1/projects/a/dav/y", 400),
        (b"/v1/projects/a/dav/y?/../../../b/dav/z", 400),
        (b"http://gateway/v1/projects/a/dav/y?x", 400),
        (b"/v1/projects/b/dav/y", 400),
        (b"http://gateway/v1/projects/b/dav/y", 400),
        (b"/v1/projects/A/dav/y", 400),
        (b"/v1/projects/a/other", 400),
        (b"/v1/projects/a/cache/y", 400),
        (b"/own/y", 400),
        (b"/nowhere", 400),
        (b"/v1/projects/a/dav/../../b/dav/y", 400),
        (b"/v1/projects/a/dav/%2e%2e/%2e%2e/b/dav/y", 400),
        (b"/v1/projects/a/dav/y%2F..%2Fz", 400),
        (b"/v1/projects/a/dav//y", 400),
        (b"//gateway/v1/projects/a/dav/y", 400),
        (b"http://u@gateway/v1/projects/a/dav/y", 400),
        (b"http://gateway", 400),
        (b"http:/v1/projects/a/dav/y", 400),
        (b"ftp://gateway/v1/projects/a/dav/y", 400),
        (b"v1/projects/a/dav/y", 400),
        (b"/v1/projects/a/dav/y\r\nDestination: /v1/projects/a/dav/y", 400),
        (b"", 400),
    ],
)
@pytest.mark.parametrize("method", [b"COPY", b"MOVE", b"OWN"])
async def test_a_second_path_has_to_be_in_the_same_environment_and_route(
    world: World, method: bytes, destination: bytes, expected: int
) -> None:
    """By the same rules as the first one. The field goes upstream as it came."""
    field = b"Destination: " + destination
    answer = await world.send(world.request(DAV, field, method=method))
    assert status(answer) == expected
    if expected == 200:
        assert b"\r\n" + field + b"\r\n" in world.upstream.requests[0]
    else:
        assert world.upstream.seen == b""


async def test_a_second_path_is_judged_anew_on_a_kept_connection(world: World) -> None:
    """What is known of the head before does not decide it."""
    heads = [
        world.request(DAV, b"Destination: /v1/projects/%b/dav/y" % slug, method=b"COPY", close=last)
        for slug, last in ((b"a", False), (b"a", False), (b"b", False), (b"a", True))
    ]
    answer = b"".join([await world.send(b"".join(heads))])
    assert re.findall(rb"HTTP/1\.1 (\d{3})", answer)[:3] == [b"200", b"200", b"400"]
    assert b"/b/" not in world.upstream.seen


async def test_destination_is_an_ordinary_field_of_the_standard_methods(world: World) -> None:
    """Which have no second path."""
    raw = world.request(b"/v1/projects/a/x", b"Destination: Berlin", method=b"POST")
    assert status(await world.send(raw)) == 200
    assert b"\r\nDestination: Berlin\r\n" in world.upstream.requests[0]


async def test_a_connection_that_carried_an_unusual_body_is_not_used_again(world: World) -> None:
    """A server that does not know the method may not read the body, and take it for a request."""
    body = b"Content-Length: 4"
    raw = world.request(DAV, body, method=b"PROPFIND", close=False) + b"body"
    await world.send(raw + world.request(DAV))
    assert b"\r\nConnection: close\r\n" in world.upstream.requests[0]
    assert len([each for each in world.upstream.connections if each]) == 2
