"""What a route sets for its own requests: the size of bodies, the upstream's timeouts, and fields
of answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.harness import World, running_world, status

PROJECTS = "/v1/projects/{environment}"


@asynccontextmanager
async def routed(folder: Path, limits: dict[str, Any], **settings: Any) -> AsyncIterator[World]:
    """A gateway with a route `…/own/**` that has these settings, and one beside it."""
    routes = [{"path": f"{PROJECTS}/own/**"} | settings, {"path": f"{PROJECTS}/**"}]
    async with running_world(folder, limits=limits, routes=routes) as world:
        yield world


def post(world: World, path: bytes, size: int, *, chunked: bool = False) -> bytes:
    """A POST with a body of so many bytes."""
    target = b"/v1/projects/a/" + path
    if not chunked:
        length = b"Content-Length: %d" % size
        return world.request(target, length, method=b"POST") + b"x" * size
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (size, b"x" * size)
    return world.request(target, b"Transfer-Encoding: chunked", method=b"POST") + body


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize(("everywhere", "own"), [(10, 20), (20, 10), (None, 10)])
async def test_the_body_size_of_a_route_takes_the_place_of_that_of_the_limits(
    tmp_path: Path, everywhere: int | None, own: int, chunked: bool
) -> None:
    """Whether it is greater or smaller, and only there."""
    async with routed(tmp_path, {"body_size": everywhere}, body_size=own) as world:
        for path, limit in ((b"own/x", own), (b"other", everywhere)):
            if limit is None:
                continue
            for size, expected in ((limit, 200), (limit + 1, 413)):
                raw = post(world, path, size, chunked=chunked)
                assert status(await world.send(raw)) == expected
                reason = None if expected == 200 else "body-size"
                assert world.log()[-1].get("reason") == reason
        assert len(world.upstream.requests) == (1 if everywhere is None else 2)


async def test_a_route_may_take_no_bodies(tmp_path: Path) -> None:
    """An empty one is none."""
    async with routed(tmp_path, {}, body_size=0) as world:
        assert status(await world.send(post(world, b"own/x", 0))) == 200
        assert status(await world.send(post(world, b"own/x", 1))) == 413
        assert status(await world.send(world.request(b"/v1/projects/a/own/x"))) == 200


async def test_the_size_of_a_body_matters_once_the_request_is_permitted(tmp_path: Path) -> None:
    """To others a route says nothing of itself, and no request that is refused uses up a limit."""
    async with routed(tmp_path, {}, body_size=1) as world:
        large = post(world, b"own/x", 2)
        assert status(await world.send(large.replace(world.key_a.basic, b""))) == 401
        assert status(await world.send(large.replace(b"projects/a", b"projects/b"))) == 403
        assert status(await world.send(large)) == 413
        assert world.upstream.seen == b""


async def test_a_client_that_waits_for_100_is_told_of_the_size_at_once(tmp_path: Path) -> None:
    """It need not send the body."""
    async with routed(tmp_path, {}, body_size=1) as world:
        lines = (b"Content-Length: 2", b"Expect: 100-continue")
        raw = world.request(b"/v1/projects/a/own/x", *lines, method=b"POST")
        answer = await world.send(raw)
        assert status(answer) == 413
        assert b"100 Continue" not in answer


async def test_a_kept_connection_goes_by_the_size_of_each_request_s_route(tmp_path: Path) -> None:
    """Also where the head is that of the request before."""
    async with routed(tmp_path, {"body_size": 5}, body_size=10) as world:
        raw = post(world, b"own/x", 8).replace(b"Connection: close\r\n", b"")
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        for _ in range(3):
            writer.write(raw)
            assert status(await reader.readuntil(b"\r\n\r\nok")) == 200
        writer.write(post(world, b"other", 8))
        assert status(await reader.read()) == 413
        writer.close()


@pytest.mark.parametrize("name", ["first_byte_timeout", "idle_timeout"])
@pytest.mark.parametrize("shorter", [True, False], ids=["shorter", "longer"])
async def test_a_timeout_of_a_route_takes_the_place_of_the_upstream_s(
    tmp_path: Path, name: str, shorter: bool
) -> None:
    """Whether it is shorter or longer, and only there. The clock stands until the test moves it."""
    own, everywhere = (10, 100) if shorter else (100, 10)
    routes = [{"path": f"{PROJECTS}/own/**", name: own}, {"path": f"{PROJECTS}/**"}]
    async with running_world(tmp_path, dial={name: everywhere}, routes=routes) as world:
        world.stop_clock()
        begun = asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            if name == "idle_timeout":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe")
            begun.set()
            await reader.read()

        world.upstream.handle = silent
        for path, seconds in ((b"own/x", own), (b"other", everywhere)):
            begun.clear()
            reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
            writer.write(world.request(b"/v1/projects/a/" + path))
            await begun.wait()
            if name == "idle_timeout":
                assert status(await reader.readuntil(b"\r\n\r\nhe")) == 200
            world.pass_time(seconds - 1)
            assert len(world.log()) == (path == b"other")
            world.pass_time(2)
            if name == "idle_timeout":
                with pytest.raises(ConnectionResetError):
                    await reader.read()
            else:
                assert status(await reader.read()) == 504
            writer.close()
        reason = "upstream-timeout" if name == "first_byte_timeout" else "upstream-idle"
        assert [line["reason"] for line in world.log()] == [reason, reason]


RULES = {"set": {"Strict-Transport-Security": "max-age=1"}, "remove": ["Server", "X-Powered-By"]}
ANSWER = (
    b"HTTP/1.1 %b\r\nserver: api\r\nX-Powered-By: php\r\nstrict-transport-security: no\r\n"
    b"Content-Type: text/plain\r\nAccess-Control-Allow-Origin: *\r\nContent-Length: %d\r\n\r\n%b"
)


def fields_of(answer: bytes) -> dict[str, str]:
    """The fields of an answer, by their names in lower case."""
    lines = answer.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    pairs = [line.split(": ", 1) for line in lines]
    assert len(dict(pairs)) == len(pairs)
    return {name.lower(): value for name, value in pairs}


@pytest.mark.parametrize("code", [b"200 OK", b"404 Not Found", b"401 Unauthorized"])
async def test_a_route_sets_fields_of_the_upstream_s_answers_and_leaves_others_out(
    tmp_path: Path, code: bytes
) -> None:
    """Whatever their status, on its own requests alone, and also where an answer has the head of
    the answer before."""
    async with routed(tmp_path, {}, response_headers=RULES) as world:
        world.upstream.respond = lambda _request: ANSWER % (code, 2, b"ok")
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        for path in (b"own/x", b"own/x", b"other", b"own/x"):
            writer.write(world.request(b"/v1/projects/a/" + path, close=False))
            fields = fields_of(await reader.readuntil(b"\r\n\r\nok"))
            if path == b"other":
                assert (fields["server"], fields["x-powered-by"]) == ("api", "php")
                assert fields["strict-transport-security"] == "no"
            else:
                assert not fields.keys() & {"server", "x-powered-by"}
                assert fields["strict-transport-security"] == "max-age=1"
            assert fields["content-type"] == "text/plain"
            assert fields["content-length"] == "2"
        writer.close()


async def test_what_the_gateway_answers_itself_has_its_own_fields_alone(tmp_path: Path) -> None:
    """Its challenge among them."""
    async with routed(tmp_path, {}, response_headers=RULES) as world:
        raw = world.request(b"/v1/projects/a/own/x").replace(world.key_a.basic, b"")
        fields = fields_of(await world.send(raw))
        assert "www-authenticate" in fields
        assert "strict-transport-security" not in fields
        world.upstream.respond = lambda _request: b"nonsense\r\n\r\n"
        answer = await world.send(world.request(b"/v1/projects/a/own/x"))
        assert status(answer) == 502
        assert "strict-transport-security" not in fields_of(answer)


async def test_rules_leave_the_rules_about_other_origins_in_place(tmp_path: Path) -> None:
    """A Vary of the gateway's own included."""
    cors = {"origins": ["https://app.example.com"]}
    async with routed(tmp_path, {}, response_headers=RULES, cors=cors) as world:
        world.upstream.respond = lambda _request: ANSWER % (b"200 OK", 2, b"ok")
        origin = b"Origin: https://app.example.com"
        fields = fields_of(await world.send(world.request(b"/v1/projects/a/own/x", origin)))
        assert fields["access-control-allow-origin"] == "https://app.example.com"
        assert fields["vary"] == "Origin"
        assert fields["strict-transport-security"] == "max-age=1"
        assert "server" not in fields


async def test_a_websocket_begins_under_the_rules_too(tmp_path: Path) -> None:
    """What the protocol needs stays."""

    async def switch(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nServer: s\r\n")
        writer.write(b"Sec-WebSocket-Accept: x\r\nUpgrade: websocket\r\n\r\n")

    async with routed(tmp_path, {}, response_headers=RULES) as world:
        world.upstream.handle = switch
        offer = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Key: x")
        raw = world.request(b"/v1/projects/a/own/x", *offer, close=False)
        answer = await world.send(raw, shut=True)
        assert status(answer) == 101
        fields = fields_of(answer)
        assert (fields["sec-websocket-accept"], fields["upgrade"]) == ("x", "websocket")
        assert fields["strict-transport-security"] == "max-age=1"
        assert "server" not in fields
