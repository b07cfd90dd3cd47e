"""The admin server: the application behind a connection limiter, on its listeners.

The limiter bounds connections because the admin server shares the process's file handles with the
gateway. aiohttp's own sites are not used: they have no place for a protocol factory in front.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

from admin.api.connection import HEAD_TIMEOUT, Connection
from admin.api.connection_limiter import ConnectionLimiter
from proxy.config.values import Listen
from proxy.gateway.handshake import ServerTls

LINGER: Final = 2.0
"""Seconds for a client over TLS to confirm the end of a connection."""
BACKLOG: Final = 128


class AdminServer:
    """Serves an application. `start`, then `listen` for each listener, in the end `stop`."""

    def __init__(
        self,
        app: web.Application,
        *,
        connections: int = 256,
        tls: ssl.SSLContext | None = None,
        drain_timeout: float = 60.0,
        is_trusted: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """`connections`: how many may be open at once. `tls` and `drain_timeout` as in `use`,
        `is_trusted` as for the application."""
        self._runner = web.AppRunner(app)
        self._limiter = ConnectionLimiter(self._connection, connections, is_trusted=is_trusted)
        self._listeners: list[asyncio.Server] = []
        self.use(tls, drain_timeout)

    def use(self, tls: ssl.SSLContext | None, drain_timeout: float) -> None:
        """From now on, accept connections over TLS by this context, or without TLS. `stop` lets
        requests finish for `drain_timeout` seconds."""
        self._limiter.tls = None if tls is None else ServerTls(tls, HEAD_TIMEOUT, LINGER)
        self._drain_timeout = drain_timeout

    async def start(self) -> None:
        """Start the application."""
        await self._runner.setup()

    async def listen(self, place: Listen | socket.socket) -> None:
        """Accept connections at an address, or on a socket that is bound. Raises OSError."""
        loop, limiter = asyncio.get_running_loop(), self._limiter
        if isinstance(place, socket.socket):
            listener = await loop.create_server(limiter, sock=place, backlog=BACKLOG)
        elif place.path is not None:
            listener = await loop.create_unix_server(limiter, place.path, backlog=BACKLOG)
        else:
            listener = await loop.create_server(limiter, place.host, place.port, backlog=BACKLOG)
        self._listeners.append(listener)

    @property
    def addresses(self) -> list[Any]:
        """Where it listens: of each socket what `getsockname` tells."""
        return [each.getsockname() for listener in self._listeners for each in listener.sockets]

    async def stop(self) -> None:
        """Accept nothing more, let requests finish, and stop the application."""
        for listener in self._listeners:
            listener.close()
        self._limiter.abort_handshakes()  # Nobody waits for a client that has said nothing.
        server = self._runner.server
        if server is not None:
            await asyncio.sleep(0)  # requests that have arrived begin, and are let finish
            server.pre_shutdown()
            await server.shutdown(self._drain_timeout)
        await self._runner.cleanup()

    def _connection(self) -> Connection:
        server = self._runner.server
        assert server is not None, "started before it listens"
        return Connection(server)
