"""Routes that give the upstream paths with another beginning."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.harness import World, running_world, status

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROUTES = [
    {"path": "/old/{environment}/**", "strip_prefix": "/old", "add_prefix": "/v1/projects"},
    {"path": "/v1/projects/{environment}/**"},
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """One gateway for all tests of this file."""
    folder: Path = tmp_path_factory.mktemp("prefixes")
    async with running_world(folder, routes=ROUTES) as here:
        yield here


@pytest.fixture
def world(running: World) -> World:
    """The gateway, as if it had just started."""
    running.renew()
    return running


async def test_the_client_s_path_is_judged_and_logged_and_the_other_one_is_sent(
    world: World,
) -> None:
    """Also by HTTP/1.0, with a query, and with a method and body of any kind."""
    raw = world.request(b"/old/a/x?y=/old/a", b"Content-Length: 2", method=b"PUT") + b"ok"
    assert status(await world.send(raw)) == 200
    assert world.upstream.requests[-1].startswith(b"PUT /v1/projects/a/x?y=/old/a HTTP/1.1\r\n")
    assert b"\r\nX-Wardgate-Environment: a\r\n" in world.upstream.requests[-1]
    assert world.log()[-1]["path"] == "/old/a/x"
    raw = world.request(b"/old/a?").replace(b" HTTP/1.1", b" HTTP/1.0")
    assert (await world.send(raw)).startswith(b"HTTP/1.1 200")
    assert world.upstream.requests[-1].startswith(b"GET /v1/projects/a? HTTP/1.1\r\n")
    assert status(await world.send(world.request(b"/old/b/x"))) == 403


async def test_each_request_of_a_connection_has_the_path_of_its_own_route(world: World) -> None:
    """Whatever the request before it had, and whether or not its head is the same."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    paths = [b"/old/a/x", b"/old/a/x", b"/v1/projects/a/x", b"/old/a/y", b"/old/a/y", b"/old/a/x"]
    for path in paths:
        writer.write(world.request(path, close=False))
        assert status(await reader.readuntil(b"\r\n\r\nok")) == 200
    writer.close()
    sent = [request.split(b" ")[1] for request in world.upstream.requests]
    assert sent == [path.replace(b"/old", b"/v1/projects") for path in paths]


async def test_what_the_upstream_calls_its_paths_leads_back_to_the_client_s(world: World) -> None:
    """In redirects and cookies, and only on the routes that change paths."""
    origin = b"http://127.0.0.1:%d" % world.upstream.port
    world.upstream.respond = lambda _request: (
        b"HTTP/1.1 201 Created\r\nLocation: %b/v1/projects/a/x/1\r\n"
        b"Content-Location: /v1/projects/a/x/1?full\r\nSet-Cookie: s=1; Path=/v1/projects/a\r\n"
        b"Link: </v1/projects/a/x?2>; rel=next\r\nContent-Length: 2\r\n\r\nok" % origin
    )
    for path, beginning in ((b"/old/a/x", b"/old/a"), (b"/v1/projects/a/x", b"/v1/projects/a")):
        for _ in range(2):
            answer = await world.send(world.request(path, method=b"POST"))
            assert b"\r\nLocation: %b/x/1\r\n" % beginning in answer
            assert b"\r\nContent-Location: %b/x/1?full\r\n" % beginning in answer
            assert b"\r\nSet-Cookie: s=1; Path=%b\r\n" % beginning in answer
            assert b"\r\nLink: </v1/projects/a/x?2>; rel=next\r\n" in answer


async def test_a_cookie_without_a_redirect_leads_back_too(world: World) -> None:
    """A browser would never send it otherwise."""
    world.upstream.respond = lambda _request: (
        b"HTTP/1.1 204 No Content\r\nSet-Cookie: s=1; HttpOnly; path=/v1/projects/a/\r\n\r\n"
    )
    answer = await world.send(world.request(b"/old/a/x"))
    assert b"\r\nSet-Cookie: s=1; HttpOnly; path=/old/a/\r\n" in answer


async def test_an_upstream_whose_redirects_pass_names_its_own_paths(tmp_path: Path) -> None:
    """Nothing of its answers changes."""
    async with running_world(tmp_path, dial={"redirects": "pass"}, routes=ROUTES[:1]) as world:
        world.upstream.respond = lambda _request: (
            b"HTTP/1.1 302 Found\r\nLocation: /v1/projects/a/y\r\nSet-Cookie: s=1; Path=/v1\r\n"
            b"Content-Length: 0\r\n\r\n"
        )
        answer = await world.send(world.request(b"/old/a/x"))
        assert b"\r\nLocation: /v1/projects/a/y\r\nSet-Cookie: s=1; Path=/v1\r\n" in answer


async def test_a_websocket_is_opened_at_the_other_path(world: World) -> None:
    """As any other request."""

    async def switch(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n")
        writer.write(b"Upgrade: websocket\r\n\r\n" + head.partition(b"\r\n")[0])

    world.upstream.handle = switch
    offer = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Key: x")
    answer = await world.send(world.request(b"/old/a/x", *offer, close=False), shut=True)
    assert answer.endswith(b"\r\n\r\nGET /v1/projects/a/x HTTP/1.1")
