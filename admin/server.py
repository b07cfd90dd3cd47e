"""How the office is served: what aiohttp answers and logs on its own says no more than we do.

Where aiohttp's parser refuses a request, its answer and its log repeat the bytes that it stumbled
over, which may be the credentials, and name its version.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import Any, cast

from aiohttp import web

from admin.answers import response_of
from admin.errors import Refused
from proxy.doorman import Doorman

SERVER = "Wardgate"
"""In the Server field, in place of aiohttp's name and version."""
HEAD_TIMEOUT = 10.0
"""Seconds for a whole head, from its first byte, and for the first byte of a connection."""
LINGER = 2.0
"""Seconds for a client over TLS to say that it has seen the end."""
KEEPALIVE = 75.0
"""Seconds between requests."""

log = logging.getLogger(__name__)


class OfficeRunner(web.AppRunner):
    """Serves the office's application. Takes what `web.AppRunner` takes."""

    def __init__(
        self,
        app: web.Application,
        *,
        connections: int = 256,
        tls: ssl.SSLContext | None = None,
        **options: Any,
    ) -> None:
        """`connections`: as many may be open at once, for it shares file handles with the gate.
        `tls`: served over that; its sites know nothing of it."""
        # Compressed bodies are refused, but aiohttp would inflate what it throws away, and log a
        # traceback for what it cannot: for anybody, without a key.
        super().__init__(app, auto_decompress=False, keepalive_timeout=KEEPALIVE, **options)
        self._connections, self._tls = connections, tls

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        server.__class__ = _Server  # AppRunner has no parameter for the class of its connections
        assert isinstance(server, _Server)
        server.most, server.tls, server.greeted = self._connections, self._tls, set()
        return server


class _Server(web.Server):
    """Makes connections, so many at once."""

    most: int
    tls: ssl.SSLContext | None
    greeted: set[Doorman]
    """Those whose handshake is not done."""

    def __call__(self) -> web.RequestHandler:
        if self.tls is None:
            return self._connection()
        doorman = Doorman(
            self._connection,
            self.tls,
            HEAD_TIMEOUT,
            LINGER,
            admit=self._admit,
            leave=self.greeted.discard,
        )
        return cast(
            "web.RequestHandler", doorman
        )  # as a protocol, which is all that is asked of it

    def _connection(self) -> _Connection:
        return _Connection(self, loop=self._loop, **self._kwargs)

    def _admit(self, doorman: Doorman) -> bool:
        if len(self.connections) + len(self.greeted) >= self.most:
            return False
        self.greeted.add(doorman)
        return True

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109  (aiohttp's)
        """Close what is open; who has not said anything is not waited for."""
        for doorman in list(self.greeted):
            doorman.transport.abort()
        await super().shutdown(timeout)


class _Connection(web.RequestHandler):
    """A client's connection, one of so many, which brings its heads in time."""

    __slots__ = ("_owes_since", "_watch")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._owes_since: float | None = self._loop.time()
        self._watch = self._loop.call_later(HEAD_TIMEOUT, self._demand_head)
        manager = self._manager
        if isinstance(manager, _Server) and len(manager.connections) > manager.most:
            transport.abort()  # type: ignore[attr-defined]

    def connection_lost(self, exc: BaseException | None) -> None:
        self._watch.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        before = self._request_count
        super().data_received(data)
        if self._request_count > before:
            self._owes_since = None
        elif self._owes_since is None and not self._request_in_progress:
            self._owes_since = self._loop.time()

    def _demand_head(self) -> None:
        """Close what has owed a head for too long. aiohttp waits for ever."""
        since, now = self._owes_since, self._loop.time()
        left = HEAD_TIMEOUT if since is None else since + HEAD_TIMEOUT - now
        if left > 0:
            self._watch = self._loop.call_later(left, self._demand_head)
        elif self.transport is not None:
            self.transport.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what never became a request that the application could answer."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is under way already")
        failed = status >= 500
        log.log(
            logging.ERROR if failed else logging.INFO,
            "request from %s refused with %d: %s",
            request.remote,
            status,
            type(exc).__name__,
            exc_info=exc if failed else None,
        )
        refused = Refused("InternalError" if failed else "BadRequest")
        response = response_of(refused, problem=False, challenge=False)
        response.headers["Server"] = SERVER
        response.force_close()
        return response


async def name_server(_: web.Request, response: web.StreamResponse) -> None:
    """Put our name into every answer of the application (a signal, `on_response_prepare`)."""
    response.headers["Server"] = SERVER
