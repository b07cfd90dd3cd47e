"""Real servers as upstreams."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.garden.origins import origin
from tests.harness import World, running_world, status, until
from tests.programs import free_port, program, running
from tests.support.json_lines import json_lines

Journal: TypeAlias = Callable[[], list[dict[str, Any]]]
"""Returns the requests that a server has seen so far."""

NGINX = """
daemon off; worker_processes 1; pid nginx.pid; error_log error.log crit;
events {{ }}
http {{
  access_log off; gzip on; gzip_types *;
  server {{
    listen 127.0.0.1:{port};
    location = /v1/projects/a/long {{ return 200 "{body}"; }}
    location = /v1/projects/a/moved {{ return 301 /v1/projects/a/here; }}
    location = /v1/projects/a/here {{ return 200 "welcome"; }}
  }}
}}
"""


@contextmanager
def nginx(folder: Path) -> Iterator[str]:
    """The URL of a running nginx."""
    home = folder / "nginx"
    home.mkdir()
    port = free_port()
    (home / "nginx.conf").write_text(NGINX.format(port=port, body="x" * 1000))
    command = [program("nginx"), "-p", str(home), "-e", "error.log", "-c", "nginx.conf"]
    with running(command, port, home):
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("via", [False, True])
async def test_nginx_compresses_unless_it_is_told_of_a_proxy(tmp_path: Path, via: bool) -> None:
    """Which is why `via` is off by default."""
    with nginx(tmp_path) as url:
        async with running_world(tmp_path, dial={"url": url}, via=via) as world:
            target = b"/v1/projects/a/long"
            answer = await world.send(world.request(target, b"Accept-Encoding: gzip"))
    assert status(answer) == 200
    assert (b"\r\nContent-Encoding: gzip\r\n" in answer) != via


async def test_a_redirect_of_nginx_leads_back_through_the_gateway(tmp_path: Path) -> None:
    """nginx makes a URL of its own of the path that it is configured with."""
    with nginx(tmp_path) as url:
        async with running_world(tmp_path, dial={"url": url}) as world:
            answer = await world.send(world.request(b"/v1/projects/a/moved"))
            assert status(answer) == 301
            assert b"\r\nLocation: /v1/projects/a/here\r\n" in answer
            followed = await world.send(world.request(b"/v1/projects/a/here"))
            assert followed.endswith(b"\r\n\r\nwelcome")


# --- a server that answers a POST without reading its body ---

STOLEN = b"GET /v1/projects/b/stolen HTTP/1.1\r\nHost: h\r\nX-Wardgate-Key: forged\r\n"
"""The beginning of a request that no key of `a` may make."""


@asynccontextmanager
async def before_a_deaf_server(folder: Path, reuse: str) -> AsyncIterator[tuple[World, Journal]]:
    """A gateway in front of Python's http.server, of which the handler reads no body; and the
    journal of that server."""
    home = folder / "origin"
    home.mkdir()
    with origin("http.server-deaf", home) as (port, journal):
        dial = {"url": f"http://127.0.0.1:{port}", "reuse": reuse}
        async with running_world(folder, dial=dial) as world:
            yield world, lambda: json_lines(journal)


async def post(world: World, body: bytes) -> None:
    """Send a POST with the key of `a`, and wait until its connection is kept or closed."""
    length = b"Content-Length: %d" % len(body)
    request = world.request(b"/v1/projects/a/x", length, method=b"POST")
    assert status(await world.send(request + body)) == 200
    await until(lambda: world.inside.idle or not world.inside.upstream)


@pytest.mark.parametrize("reuse", ["safe", "always"])
async def test_a_request_in_a_body_that_the_upstream_does_not_read_is_run_only_with_reuse_always(
    tmp_path: Path, reuse: str
) -> None:
    """With any identity. `safe` asks the upstream to close, so it reads no other request."""
    async with before_a_deaf_server(tmp_path, reuse) as (world, journal):
        await post(world, STOLEN + b"\r\n")
        await until(lambda: not world.inside.upstream)  # what is stolen ends a kept connection
        paths = [(line["path"], line["key"]) for line in journal()]
    forged = ("/v1/projects/b/stolen", "forged")
    assert paths[0] == ("/v1/projects/a/x", world.key_a.key.access_key)
    assert paths[1:] == ([forged] if reuse == "always" else [])


@pytest.mark.parametrize("reuse", ["safe", "always"])
async def test_the_next_client_gets_its_own_answer_unless_reuse_is_always(
    tmp_path: Path, reuse: str
) -> None:
    """The next request completes the one that was begun in the body, as a field of it."""
    async with before_a_deaf_server(tmp_path, reuse) as (world, _):
        await post(world, STOLEN + b"X-Rest: ")
        answer = await world.send(world.request(b"/v1/projects/b/own", pair=world.key_b))
    assert status(answer) == 200
    got = json.loads(answer.partition(b"\r\n\r\n")[2])["path"]
    assert got == "/v1/projects/b/" + ("stolen" if reuse == "always" else "own")
