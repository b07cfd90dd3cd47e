"""Starts the servers that the gateway is compared with, and the upstreams behind them all."""

from __future__ import annotations

import base64
import functools
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bcrypt

from benchmarks.machine import LOAD_CORE
from benchmarks.processes import Server, folder, free_port, process, program

HERE = Path(__file__).parent
BODY = "x" * 258
PASSWORD = b"correct-horse-battery-staple"
AUTHORIZATION = "Basic " + base64.b64encode(b"bench:" + PASSWORD).decode()
LARGE = 256 * 1024 * 1024


@functools.cache
def password_hash() -> str:
    """The peers' password at cost 10, as Apache's htpasswd writes it with `-B -C 10`."""
    return bcrypt.hashpw(PASSWORD, bcrypt.gensalt(10)).decode().replace("$2b$", "$2y$")


def configured(file: str, where: Path, **values: object) -> Path:
    """Write a configuration to the folder `where`, with its `@NAME@` marks replaced."""
    text = (HERE / file).read_text()
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    path = where / file
    path.write_text(text)
    return path


def as_user(line: str) -> str:
    """A configuration line that is needed, and allowed, only where root runs the server."""
    return line if os.geteuid() == 0 else ""


@contextmanager
def fixed_upstream() -> Iterator[Server]:
    """nginx as an upstream, with answers of 258 bytes, of varied length, and of 256 MB."""
    port, where = free_port(), folder("upstream")
    fillers = " ".join(f'{100 / 16:.2f}% "{"x" * (150 + 13 * each)}";' for each in range(15))
    configured(
        "upstream.conf", where, PORT=port, FOLDER=where, USER=as_user("user root;"), BODY=BODY,
        FILLERS=f'{fillers} * "{BODY}";',
    )  # fmt: skip
    with (where / "large").open("wb") as large:
        large.truncate(LARGE)
    command = [program("nginx"), "-p", str(where), "-e", "error.log", "-c", "upstream.conf"]
    with process(command, port, where, core=LOAD_CORE) as running:
        yield Server("upstream", running.pid, port)


@contextmanager
def sink() -> Iterator[Server]:
    """The upstream for uploads and WebSockets, `benchmarks/peers/sink.py`."""
    port, where = free_port(), folder("sink")
    command = [sys.executable, "-m", "benchmarks.peers.sink", str(port)]
    with process(command, port, where, core=LOAD_CORE) as running:
        yield Server("sink", running.pid, port)


@contextmanager
def deaf() -> Iterator[Server]:
    """A server that refuses every request without parsing it."""
    port, where = free_port(), folder("deaf")
    command = [sys.executable, "-m", "benchmarks.peers.deaf", str(port)]
    with process(command, port, where) as running:
        yield Server("deaf", running.pid, port)


@contextmanager
def forwarder(upstream: Server) -> Iterator[Server]:
    """A server that passes every byte on without reading it."""
    port, where = free_port(), folder("forwarder")
    command = [sys.executable, "-m", "benchmarks.peers.forwarder", str(port), str(upstream.port)]
    with process(command, port, where) as running:
        yield Server("forwarder", running.pid, port)


@contextmanager
def nginx(upstream: Server, *, auth: bool = False, stream: bool = False) -> Iterator[Server]:
    """nginx. With `stream` it forwards bodies as they arrive and does not buffer them."""
    port, where = free_port(), folder("nginx")
    (where / "htpasswd").write_text(f"bench:{password_hash()}\n")
    configured(
        "nginx.conf", where, PORT=port, UPSTREAM=upstream.port, USER=as_user("user root;"),
        AUTH="auth_basic bench; auth_basic_user_file htpasswd;" if auth else "",
        STREAM="proxy_buffering off; proxy_request_buffering off;" if stream else "",
    )  # fmt: skip
    command = [program("nginx"), "-p", str(where), "-e", "error.log", "-c", "nginx.conf"]
    with process(command, port, where) as running:
        yield Server("nginx", running.pid, port, AUTHORIZATION)


@contextmanager
def haproxy(upstream: Server, *, auth: bool = False) -> Iterator[Server]:
    """HAProxy."""
    port, where = free_port(), folder("haproxy")
    check = "http-request auth realm bench unless { http_auth(people) }" if auth else ""
    path = configured(
        "haproxy.cfg", where, PORT=port, UPSTREAM=upstream.port, HASH=password_hash(), AUTH=check
    )
    with process([program("haproxy"), "-db", "-f", str(path)], port, where) as running:
        yield Server("haproxy", running.pid, port, AUTHORIZATION)


@contextmanager
def apache(upstream: Server) -> Iterator[Server]:
    """Apache, which checks a bcrypt hash at each request."""
    port, where = free_port(), folder("apache")
    (where / "htpasswd").write_text(f"bench:{password_hash()}\n")
    path = configured(
        "apache.conf", where, PORT=port, UPSTREAM=upstream.port, FOLDER=where,
        MODULES="/usr/lib/apache2/modules", USER=as_user("User nobody\nGroup nogroup"),
    )  # fmt: skip
    command = [program("apache2"), "-f", str(path), "-D", "FOREGROUND"]
    with process(command, port, where) as running:
        yield Server("apache", running.pid, port, AUTHORIZATION)


@contextmanager
def caddy(upstream: Server) -> Iterator[Server]:
    """Caddy with basic authentication; it caches verified passwords."""
    port, where = free_port(), folder("caddy")
    configured("Caddyfile", where, PORT=port, UPSTREAM=upstream.port, HASH=password_hash())
    command = [program("caddy"), "run", "--config", "Caddyfile", "--adapter", "caddyfile"]
    home = {"HOME": str(where), "XDG_DATA_HOME": str(where), "XDG_CONFIG_HOME": str(where)}
    with process(command, port, where, environment=home) as running:
        yield Server("caddy", running.pid, port, AUTHORIZATION)


@contextmanager
def textbook(upstream: Server) -> Iterator[Server]:
    """The gateway in `benchmarks/peers/textbook.py`, written with aiohttp."""
    port, where = free_port(), folder("aiohttp")
    command = [sys.executable, "-m", "benchmarks.peers.textbook", str(port)]
    command += [f"http://127.0.0.1:{upstream.port}", AUTHORIZATION]
    with process(command, port, where) as running:
        yield Server("aiohttp", running.pid, port, AUTHORIZATION)


@contextmanager
def node(upstream: Server) -> Iterator[Server]:
    """configurable-http-proxy on Node.js, which checks nothing and logs nothing."""
    port, api, where = free_port(), free_port(), folder("node")
    command = [program("configurable-http-proxy"), "--ip", "127.0.0.1", "--port", str(port)]
    command += ["--api-ip", "127.0.0.1", "--api-port", str(api), "--log-level", "error"]
    command += ["--default-target", f"http://127.0.0.1:{upstream.port}"]
    with process(command, port, where) as running:
        yield Server("node", running.pid, port, AUTHORIZATION)
