"""Deactivating a key ends the running requests of its clients, and nothing else."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.installation import Installation
from tests.load.crowd import until
from tests.patience import PATIENCE
from tests.programs import free_port, module, program, running, sample_api
from tests.support.credentials import Credentials

BASE = "/v1/projects/demo"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Installation]:
    """A gateway in front of an upstream that sends events and another that speaks WebSocket."""
    events, socket = free_port(), free_port()
    upstreams = {
        "events": {"url": f"http://127.0.0.1:{events}"},
        "socket": {"url": f"http://127.0.0.1:{socket}"},
    }
    routes = [
        {"path": "/v1/projects/{environment}/events", "upstream": "events"},
        {"path": "/v1/projects/{environment}/**", "upstream": "socket"},
    ]
    installation = Installation(tmp_path, upstreams=upstreams, routes=routes)
    (origin := tmp_path / "origin").mkdir()
    with (
        running(sample_api(events), events, origin),
        running(module("tests.clients.origin", str(socket), "."), socket, origin),
        installation.serving(),
    ):
        yield installation


@contextmanager
def streaming(
    here: Installation, credentials: Credentials, file: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """curl, which appends events to a file as they come, once the first one is there."""
    url = f"http://127.0.0.1:{here.gateway}{BASE}/events"
    with file.open("wb") as out:
        command = [program("curl"), "-sSN", "-u", credentials.pair, url]
        process = subprocess.Popen(command, stdout=out)
        try:
            until(lambda: file.stat().st_size > 0)
            yield process
        finally:
            process.kill()
            process.wait()


def test_running_requests_end_with_their_key(here: Installation, tmp_path: Path) -> None:
    """An endless answer is reset, so that no client takes it for whole, and a WebSocket is told why
    it ends. An answer to another key goes on, and once the key is active again it opens both
    again."""
    key, credentials = here.new_key("demo")
    basic = {"Authorization": credentials.authorization}
    url = f"ws://127.0.0.1:{here.gateway}{BASE}/socket"
    with (
        streaming(here, here.admin, other := tmp_path / "other"),
        streaming(here, credentials, tmp_path / "events") as curl,
        connect(url, additional_headers=basic, proxy=None, open_timeout=PATIENCE) as socket,
    ):
        socket.send("hello")
        assert socket.recv(PATIENCE) == "HELLO"
        assert curl.poll() is None
        path = f"/apikeys/{key}"
        assert here.call(f"{path}/?action=deactivate", "-X", "POST")["state"] == "inactive"
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(PATIENCE)
        assert closed.value.rcvd
        assert closed.value.rcvd.code == 1008
        assert curl.wait(PATIENCE) != 0  # its answer was cut, not ended
        size = other.stat().st_size
        until(lambda: other.stat().st_size > size)
        assert here.ask(f"{BASE}/echo", credentials) == 401
        assert here.call(f"{path}/?action=activate", "-X", "POST")["state"] == "active"
        with connect(url, additional_headers=basic, proxy=None, open_timeout=PATIENCE) as again:
            again.send("again")
            assert again.recv(PATIENCE) == "AGAIN"
    log = tmp_path / "access.log"
    until(lambda: log.read_text().count('"reason":"revoked"') == 2)
    cut = [line["path"] for line in here.log if line.get("reason") == "revoked"]
    assert sorted(cut) == [f"{BASE}/events", f"{BASE}/socket"]
