"""The program as its users meet it: processes, curl, and upstreams that others wrote."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.programs import WARDGATE, free_port, program, running, wardgate

NGINX = """
daemon off; worker_processes 1; pid nginx.pid; error_log error.log;
events {{ worker_connections 64; }}
http {{
  access_log off; client_max_body_size 0;
  client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f;
  uwsgi_temp_path u; scgi_temp_path s;
  server {{
    listen 127.0.0.1:{port};
    location / {{ root {files}; }}
    location /v1/projects/demo/write {{ return 200 "$request_method $content_length"; }}
  }}
}}
"""


class Installation:
    """A gate and an office as processes, with an admin key and an environment `demo`."""

    def __init__(self, folder: Path, upstream: int) -> None:
        self.folder = folder
        self.gate, self.office = free_port(), free_port()
        (folder / "wardgate.yaml").write_text(
            f"listen: 127.0.0.1:{self.gate}\nupstream: http://127.0.0.1:{upstream}\n"
            "store: sqlite:///var/wardgate.db\nbcrypt_rounds: 4\naccess_log: access.log\n"
            f"admin:\n  listen: 127.0.0.1:{self.office}\n"
        )
        done = wardgate("init", "-c", "wardgate.yaml", "--output", "json", cwd=folder)
        key = json.loads(done.stdout)
        self.admin = f"{key['publicValue']}:{key['secretValue']}"
        self.command = [*WARDGATE, "serve", "-c", "wardgate.yaml"]

    def curl(self, *arguments: str) -> str:
        """What curl prints."""
        command = [program("curl"), "-sS", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=30
        ).stdout

    def ask(self, path: str, credentials: str, *arguments: str) -> int:
        """The status that curl gets for `path` at the gate."""
        url = f"http://127.0.0.1:{self.gate}{path}"
        code = self.curl("-o", os.devnull, "-w", "%{http_code}", "-u", credentials, *arguments, url)
        return int(code)

    def act(self, path: str, *arguments: str) -> dict[str, Any]:
        """The resource that the office answers the admin with."""
        url = f"http://127.0.0.1:{self.office}/v2-beta{path}"
        answer: dict[str, Any] = json.loads(self.curl("-u", self.admin, *arguments, url))
        return answer


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A tree to serve, in which `/v1/projects/demo/large` is 5 MB."""
    demo = tmp_path / "files" / "v1" / "projects" / "demo"
    demo.mkdir(parents=True)
    (demo / "large").write_bytes(os.urandom(1024) * 5 * 1024)
    (demo / "small").write_text("hello")
    return tmp_path / "files"


def python_server(folder: Path, files: Path, port: int) -> list[str]:
    """Python's own file server."""
    command = [sys.executable, "-m", "http.server", str(port)]
    return [*command, "--bind", "127.0.0.1", "--directory", str(files), "--protocol", "HTTP/1.1"]


def nginx(folder: Path, files: Path, port: int) -> list[str]:
    """nginx."""
    for path in (files, *files.parents[:3]):
        path.chmod(0o755)  # its worker is another user
    (folder / "nginx.conf").write_text(NGINX.format(port=port, files=files))
    return [program("nginx"), "-p", str(folder), "-e", "error.log", "-c", "nginx.conf"]


@pytest.mark.parametrize("server", [python_server, nginx])
def test_a_key_from_its_making_to_its_end(
    tmp_path: Path, files: Path, server: Callable[[Path, Path, int], list[str]]
) -> None:
    """Made by curl, used by curl, refused from the next request on when it is switched off."""
    upstream = free_port()
    home = tmp_path / "home"
    home.mkdir(0o700)
    here = Installation(home, upstream)
    origin = tmp_path / "origin"
    origin.mkdir()
    with (
        running(server(origin, files, upstream), upstream, origin),
        running(here.command, here.gate, home),
    ):
        environment = here.act("/projects", "-d", '{"name": "Demo", "slug": "demo"}')
        key = here.act(f"/projects/{environment['id']}/apikeys", "-d", '{"name": "k"}')
        pair = f"{key['publicValue']}:{key['secretValue']}"
        assert here.ask("/v1/projects/demo/small", pair) == 200
        assert here.ask("/v1/projects/other/small", pair) == 403
        assert here.ask("/v1/projects/demo/small", pair + "x") == 401
        assert here.ask("/v1/projects/demo/none", pair) == 404
        assert here.ask("/v1/projects/demo/small", pair, "-I") == 200

        large = tmp_path / "large"
        url = f"http://127.0.0.1:{here.gate}/v1/projects/demo/large"
        here.curl("-u", pair, "-o", str(large), url)
        original = files / "v1/projects/demo/large"
        assert (
            hashlib.sha256(large.read_bytes()).digest()
            == hashlib.sha256(original.read_bytes()).digest()
        )

        netrc = home / "netrc"
        user, secret = pair.split(":")
        netrc.write_text(f"machine 127.0.0.1\nlogin {user}\npassword {secret}\n")
        assert here.curl("--netrc-file", str(netrc), url.replace("large", "small")) == "hello"

        path = f"/apikeys/{key['id']}"
        assert here.act(f"{path}/?action=deactivate", "-X", "POST")["state"] == "inactive"
        assert here.ask("/v1/projects/demo/small", pair) == 401
        assert here.act(f"{path}/?action=activate", "-X", "POST")["state"] == "active"
        assert here.ask("/v1/projects/demo/small", pair) == 200
        assert here.act(path, "-X", "DELETE")["status"] == 405
        here.act(f"{path}/?action=deactivate", "-X", "POST")
        assert here.act(path, "-X", "DELETE")["state"] == "removed"
        assert here.ask("/v1/projects/demo/small", pair) == 401
    lines = [json.loads(line) for line in (home / "access.log").read_text().splitlines()]
    assert len(lines) == 10
    for said in ("out", "err", "access.log"):
        text = (home / said).read_text()
        assert secret not in text
        assert here.admin.split(":")[1] not in text


def test_a_body_reaches_nginx_whole(tmp_path: Path, files: Path) -> None:
    """With a length and chunked, on one connection."""
    upstream = free_port()
    home = tmp_path / "home"
    home.mkdir(0o700)
    here = Installation(home, upstream)
    origin = tmp_path / "origin"
    origin.mkdir()
    with (
        running(nginx(origin, files, upstream), upstream, origin),
        running(here.command, here.gate, home),
    ):
        here.act("/projects", "-d", '{"slug": "demo", "name": "d"}')
        url = f"http://127.0.0.1:{here.gate}/v1/projects/demo/write"
        body = home / "body"
        body.write_bytes(b"x" * 3_000_000)
        said = here.curl("-u", here.admin, "-T", str(body), url)
        assert said == "PUT 3000000"
        chunked = ("-H", "Transfer-Encoding: chunked", "-T", str(body))
        assert here.curl("-u", here.admin, *chunked, url).startswith("PUT ")


def test_what_was_acknowledged_works_after_a_kill(tmp_path: Path) -> None:
    """Killed and started again, and an upstream that comes up later is found."""
    upstream = free_port()
    here = Installation(tmp_path, upstream)
    with running(here.command, here.gate, tmp_path) as process:
        here.act("/projects", "-d", '{"slug": "demo", "name": "d"}')
        key = here.act("/apikeys", "-d", "{}")
        process.kill()
        process.wait()
    pair = f"{key['publicValue']}:{key['secretValue']}"
    with running(here.command, here.gate, tmp_path):
        assert here.ask("/v1/projects/demo/", pair) == 502
        with running(python_server(tmp_path, tmp_path, upstream), upstream, tmp_path):
            assert here.ask("/v1/projects/demo/", pair) == 404


MEGABYTE = b"m" * 1024 * 1024


def peak(process: subprocess.Popen[str]) -> int:
    """The most memory that a process has had, in KiB."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


@pytest.fixture
def gigabytes() -> Iterator[tuple[int, list[int]]]:
    """An upstream that counts what it gets and answers with 1 GiB: (port, counts)."""
    counts: list[int] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        received = 0
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(65536)
        if b"Content-Length" in head:
            left = 1024 * len(MEGABYTE) - len(head.partition(b"\r\n\r\n")[2])
            buffer = bytearray(1 << 20)
            while received < left and (size := connection.recv_into(buffer)):
                received += size
            counts.append(received + len(head.partition(b"\r\n\r\n")[2]))
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        else:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (1024 << 20))
            for _ in range(1024):
                connection.sendall(MEGABYTE)
        connection.close()

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=take, args=(connection,), daemon=True).start()

    def take(connection: socket.socket) -> None:
        try:
            serve(connection)
        except (OSError, IndexError):
            connection.close()

    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()[1], counts
    listener.close()


def test_a_gigabyte_streams_each_way_in_constant_memory(
    tmp_path: Path, gigabytes: tuple[int, list[int]]
) -> None:
    """The gate's peak grows by less than 32 MiB, and every byte arrives."""
    upstream, counts = gigabytes
    here = Installation(tmp_path, upstream)
    basic = base64.b64encode(here.admin.encode())
    head = b" /big HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: Basic " + basic
    with running(here.command, here.gate, tmp_path) as process:
        before = peak(process)
        with socket.create_connection(("127.0.0.1", here.gate)) as client:
            client.sendall(b"PUT" + head + b"\r\nContent-Length: %d\r\n\r\n" % (1024 << 20))
            for _ in range(1024):
                client.sendall(MEGABYTE)
            assert client.recv(100).startswith(b"HTTP/1.1 200 ")
        with socket.create_connection(("127.0.0.1", here.gate)) as client:
            client.sendall(b"GET" + head + b"\r\n\r\n")
            got, buffer = 0, bytearray(1 << 20)
            while size := client.recv_into(buffer):
                got += size
        assert got > 1024 << 20
        assert got - (1024 << 20) < 1000
        assert counts == [1024 << 20]
        assert peak(process) - before < 32 * 1024
