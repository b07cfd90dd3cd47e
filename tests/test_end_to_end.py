"""The program as its users run it: processes, curl, and upstreams that others wrote."""

from __future__ import annotations

import functools
import hashlib
import os
import random
import select
import socket
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BufferedReader
from pathlib import Path
from socket import SocketIO

import pytest

from tests.installation import Installation
from tests.load.crowd import attribute
from tests.patience import PATIENCE
from tests.programs import await_refusal, free_port, program, running
from tests.support.credentials import Credentials

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


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The files of an upstream, in which `/v1/projects/demo/large` has 5 MB."""
    demo = tmp_path / "files" / "v1" / "projects" / "demo"
    demo.mkdir(parents=True)
    (demo / "large").write_bytes(os.urandom(1024) * 5 * 1024)
    (demo / "small").write_text("hello")
    return tmp_path / "files"


def python_server(folder: Path, files: Path, port: int) -> list[str]:
    """The command of Python's own file server."""
    command = [sys.executable, "-m", "http.server", str(port)]
    return [*command, "--bind", "127.0.0.1", "--directory", str(files), "--protocol", "HTTP/1.1"]


def nginx(folder: Path, files: Path, port: int) -> list[str]:
    """The command of nginx."""
    for path in (files, *files.parents[:4]):
        path.chmod(0o755)  # its worker is another user
    (folder / "nginx.conf").write_text(NGINX.format(port=port, files=files))
    return [program("nginx"), "-p", str(folder), "-e", "error.log", "-c", "nginx.conf"]


@contextmanager
def installed(
    folder: Path, server: Callable[[Path, int], list[str]]
) -> Iterator[tuple[Installation, subprocess.Popen[str]]]:
    """(a running installation, its process) in front of the server whose command `server` makes
    from a folder and a port."""
    upstream = free_port()
    (origin := folder / "origin").mkdir()
    (home := folder / "home").mkdir()
    here = Installation(home, upstream)
    with running(server(origin, upstream), upstream, origin), here.serving() as process:
        yield here, process


@pytest.mark.parametrize("server", [python_server, nginx])
def test_a_key_works_from_its_creation_until_it_is_deactivated(
    tmp_path: Path, files: Path, server: Callable[[Path, Path, int], list[str]]
) -> None:
    """It is created and used by curl, and refused from the next request on when it is inactive."""
    with installed(tmp_path, lambda origin, port: server(origin, files, port)) as (here, gateway):
        home = here.folder
        key, credentials = here.new_key("demo")
        wrong = replace(credentials, secret=credentials.secret + "x")
        assert here.ask("/v1/projects/demo/small", credentials) == 200
        assert here.ask("/v1/projects/other/small", credentials) == 403
        assert here.ask("/v1/projects/demo/small", wrong) == 401
        assert here.ask("/v1/projects/demo/none", credentials) == 404
        assert here.ask("/v1/projects/demo/small", credentials, "-I") == 200

        large = tmp_path / "large"
        url = f"http://127.0.0.1:{here.gateway}/v1/projects/demo/large"
        here.curl("-u", credentials.pair, "-o", str(large), url)
        original = files / "v1/projects/demo/large"
        assert (
            hashlib.sha256(large.read_bytes()).digest()
            == hashlib.sha256(original.read_bytes()).digest()
        )

        netrc = home / ".netrc"
        secret = credentials.secret
        netrc.write_text(f"machine 127.0.0.1\nlogin {credentials.access_key}\npassword {secret}\n")
        netrc.chmod(0o600)
        small = url.replace("large", "small")
        assert here.curl("--netrc-file", str(netrc), small) == "hello"
        assert here.curl("-n", small) == "hello"
        opened = here.curl("-u", credentials.pair, "-w", " %{num_connects} ", small, small)
        assert opened == "hello 1 hello 0 "  # the second on the connection of the first

        path = f"/apikeys/{key}"
        assert here.call(f"{path}/?action=deactivate", "-X", "POST")["state"] == "inactive"
        assert here.ask("/v1/projects/demo/small", credentials) == 401
        assert here.call(f"{path}/?action=activate", "-X", "POST")["state"] == "active"
        assert here.ask("/v1/projects/demo/small", credentials) == 200
        assert here.call(path, "-X", "DELETE")["status"] == 405
        here.call(f"{path}/?action=deactivate", "-X", "POST")
        assert here.call(path, "-X", "DELETE")["state"] == "removed"
        assert here.ask("/v1/projects/demo/small", credentials) == 401
        for name in ("cmdline", "environ"):
            shown = Path(f"/proc/{gateway.pid}/{name}").read_text()
            assert secret not in shown
            assert here.admin.secret not in shown
    assert len(here.log) == 13
    for name in ("out", "err", "access.log"):
        text = (home / name).read_text()
        assert secret not in text
        assert here.admin.secret not in text


def test_a_body_reaches_nginx_whole(tmp_path: Path, files: Path) -> None:
    """With a length, and in chunks."""
    with installed(tmp_path, lambda origin, port: nginx(origin, files, port)) as (here, _):
        here.new_key("demo")
        url = f"http://127.0.0.1:{here.gateway}/v1/projects/demo/write"
        body = here.folder / "body"
        body.write_bytes(b"x" * 3_000_000)
        assert here.curl("-u", here.admin.pair, "-T", str(body), url) == "PUT 3000000"
        chunked = ("-H", "Transfer-Encoding: chunked", "-T", str(body))
        assert here.curl("-u", here.admin.pair, *chunked, url).startswith("PUT ")


def test_an_acknowledged_key_works_after_a_kill(tmp_path: Path) -> None:
    """The process is killed and started again; an upstream that starts later is found."""
    upstream = free_port()
    here = Installation(tmp_path, upstream)
    with here.serving() as process:
        here.new_key("demo")
        credentials = Credentials.of(here.call("/apikeys", "-d", "{}"))
        process.kill()
        process.wait()
    with here.serving():
        assert here.ask("/v1/projects/demo/", credentials) == 502
        with running(python_server(tmp_path, tmp_path, upstream), upstream, tmp_path):
            assert here.ask("/v1/projects/demo/", credentials) == 404


def read_head(stream: BufferedReader[SocketIO]) -> bytes:
    """The head of a message, or what has come of it when the connection ends."""
    head = b""
    while not head.endswith(b"\r\n\r\n") and (line := stream.readline()):
        head += line
    return head


def serve_slowly(listener: socket.socket, go_on: threading.Event) -> None:
    """Answer one request, but send the end of the answer only after `go_on`."""
    while True:
        connection, _ = listener.accept()
        with connection:
            if connection.recv(65536):  # else the gateway only tried whether the port is open
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
                go_on.wait(PATIENCE)
                connection.sendall(b"whole")
                return


def test_sigterm_lets_requests_finish_and_loses_no_line_of_the_log(tmp_path: Path) -> None:
    """No new connection is accepted meanwhile, and the exit status is 0."""
    listener = socket.create_server(("127.0.0.1", 0))
    here = Installation(tmp_path, listener.getsockname()[1], access_log_refusals=1000)
    go_on = threading.Event()
    upstream = threading.Thread(target=serve_slowly, args=(listener, go_on), daemon=True)
    head = b"GET /%b HTTP/1.1\r\nHost: h\r\n%b\r\n"
    with listener, here.serving() as process:
        upstream.start()
        with (
            socket.create_connection(("127.0.0.1", here.gateway)) as client,
            BufferedReader(SocketIO(client, "r")) as answer,
        ):
            client.sendall(head % (b"slow", here.admin.basic))
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
    assert [line["status"] for line in here.log] == [401] * 300 + [200]
    assert here.log[-1]["out"] == 9
    assert "Traceback" not in (tmp_path / "err").read_text()


MEGABYTE = random.Random(1).randbytes(1 << 20)
SUM = functools.reduce(lambda value, _: zlib.adler32(MEGABYTE, value), range(1024), 1)
"""The Adler-32 checksum of 1,024 megabytes."""


def drain(stream: BufferedReader[SocketIO], size: int, value: int = 1) -> tuple[int, int]:
    """Read to the end, or `size` bytes: (how many came, their Adler-32 checksum from `value`)."""
    left, buffer = size, memoryview(bytearray(1 << 20))
    while left and (got := stream.readinto(buffer[:left])):
        value = zlib.adler32(buffer[:got], value)
        left -= got
    return size - left, value


def push(client: socket.socket, piece: bytes, stalled: threading.Event) -> None:
    """Send a piece; set `stalled` where the gateway takes no more for a while."""
    view = memoryview(piece)
    while view:
        if select.select([], [client], [], 0.3)[1]:
            view = view[client.send(view, socket.MSG_DONTWAIT) :]
        else:
            stalled.set()


def serve_gigabytes(
    listener: socket.socket, stalled: threading.Event, received: list[tuple[int, int]]
) -> None:
    """Read a chunked body once its client is `stalled`; then answer the next request with 1 GiB."""
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
            elif head:  # else the gateway only tried whether the port is open
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (1 << 30))
                for _ in range(1024):
                    connection.sendall(MEGABYTE)
                return


def test_a_gigabyte_streams_each_way_in_constant_memory(tmp_path: Path) -> None:
    """In chunks to an upstream that does not read at first, and with a length from it: no byte is
    lost, and the gateway's peak memory grows by less than 32 MiB."""
    listener = socket.create_server(("127.0.0.1", 0))
    here = Installation(tmp_path, listener.getsockname()[1])
    received: list[tuple[int, int]] = []
    stalled = threading.Event()
    upstream = threading.Thread(
        target=serve_gigabytes, args=(listener, stalled, received), daemon=True
    )
    head = b" /big HTTP/1.1\r\nHost: h\r\nConnection: close\r\n" + here.admin.basic
    with listener, here.serving() as process:
        before = attribute(process.pid, "VmHWM")
        upstream.start()
        with socket.create_connection(("127.0.0.1", here.gateway)) as client:
            client.sendall(b"PUT" + head + b"Transfer-Encoding: chunked\r\n\r\n")
            for number in range(1024):
                if number == 128:  # a gateway that has read all this keeps it in memory
                    stalled.set()
                push(client, b"100000\r\n%b\r\n" % MEGABYTE, stalled)
            client.sendall(b"0\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 204 ")
        with (
            socket.create_connection(("127.0.0.1", here.gateway)) as client,
            BufferedReader(SocketIO(client, "r"), 1 << 20) as answer,
        ):
            client.sendall(b"GET" + head + b"\r\n")
            assert read_head(answer).startswith(b"HTTP/1.1 200 ")
            assert drain(answer, 2 << 30) == (1 << 30, SUM)
        upstream.join()
        assert received == [(1 << 30, SUM)]
        assert attribute(process.pid, "VmHWM") - before < 32 * 1024
