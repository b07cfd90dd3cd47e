"""What a route sets for its own requests: the size of bodies, and the upstream's timeouts."""

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
