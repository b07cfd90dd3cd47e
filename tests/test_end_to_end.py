"""The program as its users meet it: processes, curl, and upstreams that others wrote."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import os
import random
import select
import socket
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from socket import SocketIO
from typing import Any

import pytest

from tests.patience import PATIENCE
from tests.programs import WARDGATE, await_refusal, free_port, program, running, wardgate

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
    """A gateway and an admin server as processes, with an admin key and an environment `demo`."""

    def __init__(self, folder: Path, upstream: int) -> None:
        self.folder = folder
        self.gateway, self.api = free_port(), free_port()
        (folder / "wardgate.yaml").write_text(
            f"listen: 127.0.0.1:{self.gateway}\nupstream: http://127.0.0.1:{upstream}\n"
            "store: sqlite:///var/wardgate.db\nbcrypt_rounds: 4\naccess_log: access.log\n"
            f"admin:\n  listen: 127.0.0.1:{self.api}\n"
        )
        done = wardgate("init", "-c", "wardgate.yaml", "--output", "json", cwd=folder)
        key = json.loads(done.stdout)
        self.admin = f"{key['publicValue']}:{key['secretValue']}"
        self.command = [*WARDGATE, "serve", "-c", "wardgate.yaml"]

    @property
    def basic(self) -> bytes:
        """The Authorization field of the admin, with its CRLF."""
        return b"Authorization: Basic " + base64.b64encode(self.admin.encode()) + b"\r\n"

    def curl(self, *arguments: str) -> str:
        """What curl prints, for a user who is at home in the folder."""
        command = [program("curl"), "-sS", *arguments]
        environment = os.environ | {"HOME": str(self.folder)}
        return subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=PATIENCE, env=environment
        ).stdout

    def ask(self, path: str, credentials: str, *arguments: str) -> int:
        """The status that curl gets for `path` at the gateway."""
        url = f"http://127.0.0.1:{self.gateway}{path}"
        code = self.curl("-o", os.devnull, "-w", "%{http_code}", "-u", credentials, *arguments, url)
        return int(code)

    def apply(self, path: str, *arguments: str) -> dict[str, Any]:
        """The resource that the admin server answers the admin with."""
        url = f"http://127.0.0.1:{self.api}/v2-beta{path}"
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
    for path in (files, *files.parents[:4]):
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
        running(here.command, here.api, home) as gateway,
    ):
        environment = here.apply("/projects", "-d", '{"name": "Demo", "slug": "demo"}')
        key = here.apply(f"/projects/{environment['id']}/apikeys", "-d", '{"name": "k"}')
        pair = f"{key['publicValue']}:{key['secretValue']}"
        assert here.ask("/v1/projects/demo/small", pair) == 200
        assert here.ask("/v1/projects/other/small", pair) == 403
        assert here.ask("/v1/projects/demo/small", pair + "x") == 401
        assert here.ask("/v1/projects/demo/none", pair) == 404
        assert here.ask("/v1/projects/demo/small", pair, "-I") == 200

        large = tmp_path / "large"
        url = f"http://127.0.0.1:{here.gateway}/v1/projects/demo/large"
        here.curl("-u", pair, "-o", str(large), url)
        original = files / "v1/projects/demo/large"
        assert (
            hashlib.sha256(large.read_bytes()).digest()
            == hashlib.sha256(original.read_bytes()).digest()
        )

        netrc = home / ".netrc"
        user, secret = pair.split(":")
        netrc.write_text(f"machine 127.0.0.1\nlogin {user}\npassword {secret}\n")
        netrc.chmod(0o600)
        small = url.replace("large", "small")
        assert here.curl("--netrc-file", str(netrc), small) == "hello"
        assert here.curl("-n", small) == "hello"
        opened = here.curl("-u", pair, "-w", " %{num_connects} ", small, small)
        assert opened == "hello 1 hello 0 "  # the second on the connection of the first

        path = f"/apikeys/{key['id']}"
        assert here.apply(f"{path}/?action=deactivate", "-X", "POST")["state"] == "inactive"
        assert here.ask("/v1/projects/demo/small", pair) == 401
        assert here.apply(f"{path}/?action=activate", "-X", "POST")["state"] == "active"
        assert here.ask("/v1/projects/demo/small", pair) == 200
        assert here.apply(path, "-X", "DELETE")["status"] == 405
        here.apply(f"{path}/?action=deactivate", "-X", "POST")
        assert here.apply(path, "-X", "DELETE")["state"] == "removed"
        assert here.ask("/v1/projects/demo/small", pair) == 401
        for name in ("cmdline", "environ"):
            shown = Path(f"/proc/{gateway.pid}/{name}").read_text()
            assert secret not in shown
            assert here.admin.split(":")[1] not in shown
    lines = [json.loads(line) for line in (home / "access.log").read_text().splitlines()]
    assert len(lines) == 13
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
        running(here.command, here.api, home),
    ):
        here.apply("/projects", "-d", '{"slug": "demo", "name": "d"}')
        url = f"http://127.0.0.1:{here.gateway}/v1/projects/demo/write"
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
    with running(here.command, here.api, tmp_path) as process:
        here.apply("/projects", "-d", '{"slug": "demo", "name": "d"}')
        key = here.apply("/apikeys", "-d", "{}")
        process.kill()
        process.wait()
    pair = f"{key['publicValue']}:{key['secretValue']}"
    with running(here.command, here.api, tmp_path):
        assert here.ask("/v1/projects/demo/", pair) == 502
        with running(python_server(tmp_path, tmp_path, upstream), upstream, tmp_path):
            assert here.ask("/v1/projects/demo/", pair) == 404


def read_head(stream: BufferedReader[SocketIO]) -> bytes:
    """A message's head, or what came of it."""
    head = b""
    while not head.endswith(b"\r\n\r\n") and (line := stream.readline()):
        head += line
    return head


def serve_slowly(listener: socket.socket, go_on: threading.Event) -> None:
    """Answer one request, and keep the end of the answer back until `go_on`."""
    while True:
        connection, _ = listener.accept()
        with connection:
            if connection.recv(65536):  # else the gateway only asked whether anybody is there
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
                go_on.wait(PATIENCE)
                connection.sendall(b"whole")
                return


def test_sigterm_lets_what_runs_finish_and_loses_no_line(tmp_path: Path) -> None:
    """Nobody else is let in meanwhile, and the exit status is 0."""
    listener = socket.create_server(("127.0.0.1", 0))
    here = Installation(tmp_path, listener.getsockname()[1])
    go_on = threading.Event()
    upstream = threading.Thread(target=serve_slowly, args=(listener, go_on), daemon=True)
    head = b"GET /%b HTTP/1.1\r\nHost: h\r\n%b\r\n"
    basic = b"Authorization: Basic " + base64.b64encode(here.admin.encode()) + b"\r\n"
    with listener, running(here.command, here.api, tmp_path) as process:
        upstream.start()
        with (
            socket.create_connection(("127.0.0.1", here.gateway)) as client,
            BufferedReader(SocketIO(client, "r")) as answer,
        ):
            client.sendall(head % (b"slow", basic))
            assert b"\r\nContent-Length: 9\r\n" in read_head(answer)
            assert answer.read(4) == b"half"
            with (
                socket.create_connection(("127.0.0.1", here.gateway)) as other,
                BufferedReader(SocketIO(other, "r")) as refusals,
            ):
                other.sendall((head % (b"refused", b"")) * 300)
                for _ in range(300):
                    refusal = read_head(refusals)
                    assert refusal.startswith(b"HTTP/1.1 401 ")
                    length = refusal.partition(b"\r\nContent-Length: ")[2].split(b"\r\n")[0]
                    refusals.read(int(length))
                process.terminate()
                await_refusal(here.gateway)
            go_on.set()
            assert answer.read() == b"whole"
        assert process.wait(PATIENCE) == 0
        upstream.join()
    log = [json.loads(line) for line in (tmp_path / "access.log").read_text().splitlines()]
    assert [line["status"] for line in log] == [401] * 300 + [200]
    assert log[-1]["out"] == 9
    assert "Traceback" not in (tmp_path / "err").read_text()


MEGABYTE = random.Random(1).randbytes(1 << 20)
SUM = functools.reduce(lambda value, _: zlib.adler32(MEGABYTE, value), range(1024), 1)
"""Of 1024 of them."""


def peak(process: subprocess.Popen[str]) -> int:
    """The most memory that a process has had, in KiB."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def drain(stream: BufferedReader[SocketIO], size: int, value: int = 1) -> tuple[int, int]:
    """Read until the end, at most `size` bytes: how many came, and `value` brought on by them."""
    left, buffer = size, memoryview(bytearray(1 << 20))
    while left and (got := stream.readinto(buffer[:left])):
        value = zlib.adler32(buffer[:got], value)
        left -= got
    return size - left, value


def push(client: socket.socket, piece: bytes, stalled: threading.Event) -> None:
    """Send a piece; `stalled` is set where the gateway takes no more for a while."""
    view = memoryview(piece)
    while view:
        if select.select([], [client], [], 0.3)[1]:
            view = view[client.send(view, socket.MSG_DONTWAIT) :]
        else:
            stalled.set()


def serve_gigabytes(
    listener: socket.socket, stalled: threading.Event, received: list[tuple[int, int]]
) -> None:
    """Take one chunked body, from when its client is `stalled`; then answer with 1 GiB."""
    while True:
        connection, _ = listener.accept()
        with connection, BufferedReader(SocketIO(connection, "r"), 1 << 20) as stream:
            head = read_head(stream)
            if b"\r\nTransfer-Encoding: chunked\r\n" in head:
                stalled.wait(PATIENCE)
                length, value = 0, 1
                while size := int(stream.readline(), 16):
                    got, value = drain(stream, size, value)
                    length += got
                    stream.readline()
                stream.readline()
                received.append((length, value))
                connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            elif head:  # else the gateway only asked whether anybody is there
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (1 << 30))
                for _ in range(1024):
                    connection.sendall(MEGABYTE)
                return


def test_a_gigabyte_streams_each_way_in_constant_memory(tmp_path: Path) -> None:
    """Chunked up to an upstream that waits, and counted down, no byte is lost: the gateway's
    peak grows by less than 32 MiB."""
    listener = socket.create_server(("127.0.0.1", 0))
    here = Installation(tmp_path, listener.getsockname()[1])
    received: list[tuple[int, int]] = []
    stalled = threading.Event()
    upstream = threading.Thread(
        target=serve_gigabytes, args=(listener, stalled, received), daemon=True
    )
    basic = base64.b64encode(here.admin.encode())
    head = b" /big HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: Basic " + basic
    with listener, running(here.command, here.api, tmp_path) as process:
        before = peak(process)
        upstream.start()
        with socket.create_connection(("127.0.0.1", here.gateway)) as client:
            client.sendall(b"PUT" + head + b"\r\nTransfer-Encoding: chunked\r\n\r\n")
            for number in range(1024):
                if number == 128:  # a gateway that took all this has kept it in memory
                    stalled.set()
                push(client, b"100000\r\n%b\r\n" % MEGABYTE, stalled)
            client.sendall(b"0\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 204 ")
        with (
            socket.create_connection(("127.0.0.1", here.gateway)) as client,
            BufferedReader(SocketIO(client, "r"), 1 << 20) as answer,
        ):
            client.sendall(b"GET" + head + b"\r\n\r\n")
            assert read_head(answer).startswith(b"HTTP/1.1 200 ")
            assert drain(answer, 2 << 30) == (1 << 30, SUM)
        upstream.join()
        assert received == [(1 << 30, SUM)]
        assert peak(process) - before < 32 * 1024
