"""Clients of WebSockets are told that the gateway stops, and stop it no longer than they use it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.clients.origin import BASE
from tests.installation import Installation
from tests.patience import PATIENCE
from tests.programs import free_port, module, program, running

SCRIPT = Path(__file__).parent / "socket.js"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Installation]:
    """A gateway, not yet started, in front of an upstream that speaks WebSocket."""
    port = free_port()
    limits = {"drain_timeout": PATIENCE * 2, "tunnel_drain": 0.5}
    routes = [{"path": "/v1/projects/{environment}/**", "access": "public"}]
    installation = Installation(tmp_path, port, limits=limits, routes=routes)
    with running(module("tests.clients.origin", str(port), "."), port, tmp_path):
        yield installation


def test_silent_websockets_get_1001_when_the_gateway_stops(here: Installation) -> None:
    """`websockets` and Node's own; the gateway ends long before drain_timeout."""
    url = f"ws://127.0.0.1:{here.gateway}{BASE}/socket"
    with ExitStack() as clients:
        with here.serving() as gateway:
            socket = clients.enter_context(connect(url, proxy=None, open_timeout=PATIENCE))
            command = [program("node"), "--experimental-websocket", str(SCRIPT), url]
            node = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            clients.callback(node.kill)
            assert node.stdout
            assert node.stdout.readline() == "HELLO\n"
            socket.send("hello")
            assert socket.recv(PATIENCE) == "HELLO"
            gateway.terminate()
            assert gateway.wait(PATIENCE) == 0
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(PATIENCE)
        assert closed.value.rcvd
        assert closed.value.rcvd.code == 1001
        assert node.communicate(timeout=PATIENCE)[0] == "1001 true\n"
