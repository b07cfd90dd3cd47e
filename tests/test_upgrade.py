"""`wardgate upgrade` exchanges the program of all processes, and no client notices."""

from __future__ import annotations

import json
import os
import signal
import socket
import socketserver
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.installation import Installation
from tests.patience import PATIENCE
from tests.programs import await_text, wardgate
from tests.test_workers import WORKERS, Clients, Site, eventually, site, site_of

__all__ = ["site"]


def upgrade(site: Site) -> None:
    """Exchange the program."""
    done = wardgate("upgrade", "-c", "wardgate.yaml", cwd=site.folder)
    assert done.returncode == 0, done.stderr
    assert f"process {site.master.pid} and its workers" in done.stdout


def test_no_request_fails_while_the_program_is_exchanged(site: Site) -> None:
    """Clients with kept connections and with new ones get an answer to each request; all processes
    but the master are others afterwards, and what they counted is kept."""
    number, key = site.made.new_key()
    before = set(site.children)
    with Clients(site.made.gateway, key) as clients:
        for _ in range(3):
            clients.wait_for(100)
            upgrade(site)
            assert site.made.ask(Clients.PATH, key) == 200
            clients.wait_for(100)
        eventually(lambda: len(site.children) == 1 + WORKERS)
        assert before.isdisjoint(site.children)
        site.made.call(f"/apikeys/{number}?action=deactivate", "-X", "POST")
        assert {site.made.ask(Clients.PATH, key) for _ in range(6)} == {401}
    assert set(clients.answers) == {200, 401}
    served = 'wardgate_requests_total{status="2xx"}'
    asked = 3
    eventually(lambda: site.metric(served) == clients.answers[200] + asked)


class Echo(socketserver.StreamRequestHandler):
    """An API that switches to a protocol in which it sends back what it gets."""

    def handle(self) -> None:
        """One connection."""
        while self.rfile.readline() != b"\r\n":
            pass
        self.request.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n"
        )
        with suppress(ConnectionError):
            while data := self.request.recv(100):
                self.request.sendall(data)


@contextmanager
def echo() -> Iterator[int]:
    """The port of that API."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_a_tunnel_of_the_program_before_goes_on(tmp_path: Path) -> None:
    """It is served by its worker for as long as a stop would let it, and is ended where its right
    is."""
    route = {"path": "/v1/projects/{environment}/**", "access": "environment"}
    routes = [route | {"upgrades": ["echo"]}]
    limits = {"drain_timeout": PATIENCE, "tunnel_drain": PATIENCE}
    with (
        echo() as api,
        site_of(tmp_path, api, routes=routes, limits=limits) as site,
        socket.create_connection(("127.0.0.1", site.made.gateway), PATIENCE) as client,
    ):
        number, key = site.made.new_key()
        head = b"GET /v1/projects/demo/x HTTP/1.1\r\nHost: x\r\nUpgrade: echo\r\n"
        client.sendall(head + b"Connection: Upgrade\r\n" + key.basic + b"\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 101")
        for _ in range(2):
            upgrade(site)
            client.sendall(b"abc")
            assert client.recv(100) == b"abc"
        site.made.call(f"/apikeys/{number}?action=deactivate", "-X", "POST")
        with suppress(ConnectionResetError):
            assert not client.recv(100)


def test_a_program_that_cannot_serve_takes_over_nothing(site: Site) -> None:
    """Where the configuration is not valid for it, the program before goes on, and says why."""
    _, key = site.made.new_key()
    before = site.children
    file = site.folder / "wardgate.yaml"
    valid = file.read_text()
    for wrong, why in (
        ({"listen": 7}, "listen[0]: should be host:port"),
        ({"workers": 1}, "workers: one alone cannot take over"),
        ({"store": "sqlite:///var/other.db"}, "store has changed: restart to apply"),
    ):
        file.write_text(json.dumps(json.loads(valid) | wrong))
        os.kill(site.master.pid, signal.SIGUSR2)
        eventually(lambda why=why: why in site.err())  # type: ignore[misc]
    assert site.children == before
    assert site.made.ask(Clients.PATH, key) == 200
    file.write_text(valid)
    upgrade(site)
    assert site.made.ask(Clients.PATH, key) == 200


def test_nothing_is_executed_from_the_working_directory(tmp_path: Path) -> None:
    """Others may write there, as in /tmp: what they name like a part of the program is no part of
    it."""
    with site_of(tmp_path, program=[str(Path(sys.executable).with_name("wardgate"))]) as site:
        fake = tmp_path / "proxy"
        fake.mkdir()
        (fake / "__init__.py").write_text("open('executed', 'w').close()\n")
        os.kill(site.master.pid, signal.SIGUSR2)
        await_text(tmp_path / "err", "workers of the new program serve", site.master)
        assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("workers", [1, WORKERS])
def test_without_a_master_there_is_nothing_to_exchange(tmp_path: Path, workers: int) -> None:
    """It says so, whether a process serves alone or none does."""
    made = Installation(tmp_path, workers=workers)
    if workers == 1:
        with made.serving():
            done = wardgate("upgrade", "-c", "wardgate.yaml", cwd=tmp_path)
    else:
        done = wardgate("upgrade", "-c", "wardgate.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert "no server with several workers runs by var/master.json" in done.stderr
