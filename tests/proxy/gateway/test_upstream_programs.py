"""Real servers as upstreams."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness import running_world, status
from tests.programs import free_port, program, running

NGINX = """
daemon off; worker_processes 1; pid nginx.pid; error_log error.log crit;
events {{ }}
http {{
  access_log off; gzip on; gzip_types *;
  server {{ listen 127.0.0.1:{port}; return 200 "{body}"; }}
}}
"""


@pytest.mark.parametrize("via", [False, True])
async def test_nginx_compresses_unless_it_is_told_of_a_proxy(tmp_path: Path, via: bool) -> None:
    """Which is why `via` is off by default."""
    home = tmp_path / "nginx"
    home.mkdir()
    port = free_port()
    (home / "nginx.conf").write_text(NGINX.format(port=port, body="x" * 1000))
    command = [program("nginx"), "-p", str(home), "-e", "error.log", "-c", "nginx.conf"]
    dial = {"url": f"http://127.0.0.1:{port}"}
    with running(command, port, home):
        async with running_world(tmp_path, dial=dial, via=via) as world:
            answer = await world.send(world.request(b"/v1/projects/a/x", b"Accept-Encoding: gzip"))
    assert status(answer) == 200
    assert (b"\r\nContent-Encoding: gzip\r\n" in answer) != via
