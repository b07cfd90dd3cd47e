"""How the admin server is served: what aiohttp answers and logs on its own says no more than we do.

Where aiohttp's parser refuses a request, its answer and its log repeat the bytes that it stumbled
over, which may be the credentials, and name its version.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from time import monotonic  # exact: to the loop's clock many come at the same moment
from typing import Any, TypeAlias, cast

from aiohttp import web

from admin.api.responses import response_of
from admin.service.errors import Refused
from proxy.auth.ratelimit import source_of
from proxy.gateway.handshake import TlsHandshake

SERVER = "Wardgate"
"""In the Server field, in place of aiohttp's name and version."""
HEAD_TIMEOUT = 10.0
"""Seconds for a whole head, from its first byte, and for the first byte of a connection."""
LINGER = 2.0
"""Seconds for a client over TLS to say that it has seen the end."""
KEEPALIVE = 75.0
"""Seconds between requests."""
PAUSE = 5.0
"""Seconds for which a client that reads its answers may pause, where others want its place."""
STALLED_READER = 60.0
"""Seconds for a client that reads its answers to read some more."""

log = logging.getLogger(__name__)


class AdminRunner(web.AppRunner):
    """Serves the admin server's application. Takes what `web.AppRunner` takes."""

    def __init__(
        self,
        app: web.Application,
        *,
        connections: int = 256,
        tls: ssl.SSLContext | None = None,
        **options: Any,
    ) -> None:
        """`connections`: as many may be open at once, for it shares file handles with the gateway.
        A source has at most a quarter of them.
        `tls`: served over that; its sites know nothing of it."""
        # Compressed bodies are refused, but aiohttp would inflate what it throws away, and log a
        # traceback for what it cannot: for anybody, without a key.
        super().__init__(app, auto_decompress=False, keepalive_timeout=KEEPALIVE, **options)
        self._connections, self._tls = connections, tls

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        server.__class__ = _Server  # AppRunner has no parameter for the class of its connections
        assert isinstance(server, _Server)
        server.most, server.tls, server.handshakes = self._connections, self._tls, set()
        return server


class _Server(web.Server):
    """Makes connections, so many at once.

    Where there are too many, the one that was heard of longest ago is closed for a new one: who
    says or reads nothing must not keep others out. Those whose requests are being answered stay.
    """

    most: int
    tls: ssl.SSLContext | None
    handshakes: set[_Handshake]
    """Those whose handshake is not done."""

    def __call__(self) -> web.RequestHandler:
        if self.tls is None:
            return self._connection()
        handshake = _Handshake(
            self._connection,
            self.tls,
            HEAD_TIMEOUT,
            LINGER,
            admit=self._admit,
            leave=self.handshakes.discard,
        )
        return cast(
            "web.RequestHandler", handshake
        )  # as a protocol, which is all that is asked of it

    def _connection(self) -> _Connection:
        return _Connection(self, loop=self._loop, **self._kwargs)

    def _admit(self, handshake: TlsHandshake) -> bool:
        assert isinstance(handshake, _Handshake)
        handshake.source, handshake.heard = _source(handshake.transport), monotonic()
        self.handshakes.add(handshake)
        self.make_room(handshake)
        if handshake.transport.is_closing():
            self.handshakes.discard(handshake)
            return False
        return True

    def make_room(self, new: _Client) -> None:
        """Close one, where with `new` there are too many of its source, or at all."""
        if new.source is not None:
            of_source = [client for client in self._clients() if client.source == new.source]
            _close_one(of_source, max(1, self.most // 4))
        _close_one(self._clients(), self.most)

    def _clients(self) -> list[_Client]:
        """Those that are open."""
        clients: list[_Client] = [*self.handshakes]
        clients += [each for each in self.connections if isinstance(each, _Connection)]
        return [
            client
            for client in clients
            if client.transport is not None and not client.transport.is_closing()
        ]

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109  (aiohttp's)
        """Close what is open; who has not said anything is not waited for."""
        for handshake in list(self.handshakes):
            handshake.transport.abort()
        await super().shutdown(timeout)


class _Handshake(TlsHandshake):
    """A client over TLS, until its handshake is done."""

    __slots__ = ("heard", "source")

    source: str | None
    heard: float
    at_work = False


class _Connection(web.RequestHandler):
    """A client's connection, one of so many, which brings its heads in time."""

    __slots__ = ("_owes_since", "_stalled_since", "_watch", "heard", "source")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.source = _source(transport)
        self.heard = monotonic()
        self._owes_since: float | None = self._loop.time()
        self._stalled_since: float | None = None
        self._watch = self._loop.call_later(HEAD_TIMEOUT, self._look)
        if isinstance(self._manager, _Server):
            self._manager.make_room(self)

    @property
    def at_work(self) -> bool:
        """Whether a request is being answered, and the answers are read."""
        stalled = self._stalled_since
        reads = stalled is None or self._loop.time() - stalled < PAUSE
        return reads and (self._request_in_progress or bool(self._messages))

    def connection_lost(self, exc: BaseException | None) -> None:
        self._watch.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        before = self._request_count
        self.heard = monotonic()
        super().data_received(data)
        if self._request_count > before:
            self._owes_since = None
        elif self._owes_since is None and not self._request_in_progress:
            self._owes_since = self._loop.time()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled_since = self._loop.time()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stalled_since = None

    def _look(self) -> None:
        """Close what has owed a head, or not read, for too long. aiohttp waits for ever."""
        now, left = self._loop.time(), HEAD_TIMEOUT
        if self._stalled_since is not None:
            left = min(left, self._stalled_since + STALLED_READER - now)
        elif self._owes_since is not None:
            left = self._owes_since + HEAD_TIMEOUT - now
        if left > 0:
            self._watch = self._loop.call_later(left, self._look)
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


_Client: TypeAlias = _Handshake | _Connection


def _source(transport: asyncio.BaseTransport) -> str | None:
    """Whom a connection counts for; None at a Unix socket, where nobody can tell."""
    peer = transport.get_extra_info("peername")
    return source_of(peer[0]) if isinstance(peer, tuple) else None


def _close_one(clients: list[_Client], most: int) -> None:
    """Where there are more than `most`. The newest has said nothing yet, so one can be closed."""
    if len(clients) <= most:
        return
    idle = [client for client in clients if not client.at_work]
    transport = min(idle, key=lambda client: client.heard).transport
    assert transport is not None
    transport.abort()


async def name_server(_: web.Request, response: web.StreamResponse) -> None:
    """Put our name into every answer of the application (a signal, `on_response_prepare`)."""
    response.headers["Server"] = SERVER
