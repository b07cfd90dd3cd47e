"""The admin server on a real socket."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator

import pytest

from admin.api.server import AdminServer
from tests.admin.admin_api import AdminApi


@pytest.fixture
def connections() -> int:
    """How many there may be at once."""
    return 256


@pytest.fixture
def tls() -> ssl.SSLContext | None:
    """What the admin server is served over."""
    return None


@pytest.fixture
async def port(api: AdminApi, connections: int, tls: ssl.SSLContext | None) -> AsyncIterator[int]:
    """Where the admin server is served as it is in production."""
    app = api.client.app
    assert app is not None
    server = AdminServer(app, connections=connections, tls=tls)
    await server.start()
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    for buffer in (socket.SO_SNDBUF, socket.SO_RCVBUF):  # A client that does not read fills them.
        listener.setsockopt(socket.SOL_SOCKET, buffer, 4096)
    await server.listen(listener)
    yield listener.getsockname()[1]
    await server.stop()
