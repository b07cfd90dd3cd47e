"""A key that is switched off in the admin server ends what its clients have running, and nothing
else."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.load.crowd import until
from tests.patience import PATIENCE
from tests.programs import free_port, module, program, running
from tests.test_end_to_end import Installation

BASE = "/v1/projects/demo"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Installation]:
    """A gateway before one upstream that sends events and another that speaks WebSocket."""
    events, socket = free_port(), free_port()
    installation = Installation(tmp_path, events)
    config = tmp_path / "wardgate.yaml"
    upstreams = {
        "events": {"url": f"http://127.0.0.1:{events}"},
        "socket": {"url": f"http://127.0.0.1:{socket}"},
    }
    routes = [
        {"path": "/v1/projects/{environment}/events", "upstream": "events"},
        {"path": "/v1/projects/{environment}/**", "upstream": "socket"},
    ]
    text = config.read_text().replace(
        f"upstream: http://127.0.0.1:{events}\n",
        f"upstreams: {json.dumps(upstreams)}\nroutes: {json.dumps(routes)}\n",
    )
    config.write_text(text)
    (origin := tmp_path / "origin").mkdir()
    sample = [
        sys.executable,
        "-m",
        "proxy.quickstart.sample_api",
        "--listen",
        f"127.0.0.1:{events}",
    ]
    with (
        running(sample, events, origin),
        running(module("tests.clients.origin", str(socket), "."), socket, origin),
        running(installation.command, installation.api, tmp_path),
    ):
        yield installation


@contextmanager
def streaming(here: Installation, pair: str, file: Path) -> Iterator[subprocess.Popen[bytes]]:
    """curl, which writes events into a file as they come."""
    url = f"http://127.0.0.1:{here.gateway}{BASE}/events"
    with file.open("wb") as out:
        process = subprocess.Popen([program("curl"), "-sSN", "-u", pair, url], stdout=out)
        try:
            until(lambda: file.stat().st_size > 0)
            yield process
        finally:
            process.kill()
            process.wait()


def test_what_runs_ends_with_its_key(here: Installation, tmp_path: Path) -> None:
    """A WebSocket and an endless answer are cut, so that no client takes them for whole; what runs
    by another key goes on; switched on again, the key opens both again."""
    environment = here.apply("/projects", "-d", '{"name": "Demo", "slug": "demo"}')
    key = here.apply(f"/projects/{environment['id']}/apikeys", "-d", '{"name": "k"}')
    pair = f"{key['publicValue']}:{key['secretValue']}"
    basic = {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
    url = f"ws://127.0.0.1:{here.gateway}{BASE}/socket"
    with (
        streaming(here, here.admin, other := tmp_path / "other"),
        streaming(here, pair, tmp_path / "events") as curl,
        connect(url, additional_headers=basic, proxy=None, open_timeout=PATIENCE) as socket,
    ):
        socket.send("hello")
        assert socket.recv(PATIENCE) == "HELLO"
        assert curl.poll() is None
        path = f"/apikeys/{key['id']}"
        assert here.apply(f"{path}/?action=deactivate", "-X", "POST")["state"] == "inactive"
        with pytest.raises(ConnectionClosed):
            socket.recv(PATIENCE)
        assert curl.wait(PATIENCE) != 0  # it was cut, not ended
        size = other.stat().st_size
        until(lambda: other.stat().st_size > size)
        assert here.ask(f"{BASE}/echo", pair) == 401
        assert here.apply(f"{path}/?action=activate", "-X", "POST")["state"] == "active"
        with connect(url, additional_headers=basic, proxy=None, open_timeout=PATIENCE) as again:
            again.send("again")
            assert again.recv(PATIENCE) == "AGAIN"
    log = tmp_path / "access.log"
    until(lambda: log.read_text().count('"reason":"revoked"') == 2)
    lines = [json.loads(line) for line in log.read_text().splitlines() if '"revoked"' in line]
    assert sorted(line["path"] for line in lines) == [f"{BASE}/events", f"{BASE}/socket"]
