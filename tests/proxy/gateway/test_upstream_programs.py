"""Real servers as upstreams."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.harness import running_world, status
from tests.programs import free_port, program, running

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
