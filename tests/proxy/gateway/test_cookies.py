"""The console's cookies stay between the browser and the admin server."""

from __future__ import annotations

import pytest

from tests.harness import World, status

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_console_s_cookies_pass_the_gateway_in_neither_direction(world: World) -> None:
    """A browser sends them to the gateway too where that has the admin server's host name, however
    similar the requests of its connection are."""
    world.upstream.respond = lambda _: (
        b"HTTP/1.1 200 OK\r\nSet-Cookie: wardgate=theirs; Path=/\r\nSet-Cookie: own=1\r\n"
        b"Content-Length: 0\r\n\r\n"
    )
    cookies = (
        b"Cookie: a=1",
        b"Cookie: a=1; wardgate=token",
        b"Cookie: a=1; wardgate=token",
        b"Cookie: __Host-wardgate=token; a=2; wardgate-environment=1a5",
        b"Cookie: wardgate=other",
    )
    path = b"/v1/projects/a/x"
    asked = [world.request(path, each, close=False) for each in cookies]
    answers = await world.send(b"".join([*asked, world.request(path)]))
    assert status(answers) == 200
    assert answers.count(b"\r\nSet-Cookie: own=1\r\n") == 6
    assert b"theirs" not in answers
    lines = [line for line in world.upstream.seen.split(b"\r\n") if line.startswith(b"Cookie")]
    assert lines == [b"Cookie: a=1", b"Cookie: a=1", b"Cookie: a=1", b"Cookie: a=2"]
    assert b"token" not in world.upstream.seen
