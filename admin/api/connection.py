"""A client's connection to the admin server: which deadlines it has, and when it is at work.

What aiohttp answers and logs on its own says no more than we do: where its parser refuses a
request, its answer and its log would repeat the bytes that it stumbled over, which may be the
credentials, and name its version.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any, Final

from aiohttp import web
from multidict import CIMultiDictProxy

from admin.api.expectation import EXPECTED
from admin.api.responses import response_of
from admin.service.errors import Refused

SERVER: Final = "Wardgate"
"""In the Server field, in place of aiohttp's name and version."""
HEAD_TIMEOUT: Final = 10.0
"""Seconds for a whole head, from its first byte, and for the first byte of a connection."""
KEEPALIVE: Final = 75.0
"""Seconds between requests."""
PAUSE: Final = 5.0
"""Seconds for which a client may stop reading an answer and its connection is still at work."""
STALLED_READER: Final = 60.0
"""Seconds for which a client may stop reading an answer before its connection is closed."""

log = logging.getLogger(__name__)


class Connection(web.RequestHandler):
    """aiohttp's HTTP protocol, with deadlines for heads and for answers that are not read."""

    __slots__ = ("_head_due_since", "_stalled_since", "_timer", "authenticated")

    def __init__(self, server: web.Server) -> None:
        """`server` is what `web.AppRunner.setup` made."""
        options: dict[str, Any] = {
            "access_log": None,  # turns it off, though aiohttp's type does not say so
            # Compressed bodies are refused, but aiohttp would inflate what it throws away, and log
            # a traceback for what it cannot inflate: for clients without a key too.
            "auto_decompress": False,
            "keepalive_timeout": KEEPALIVE,
        }
        super().__init__(server, loop=asyncio.get_running_loop(), **options)
        self._request_factory = partial(_without_expectation, server.request_factory)
        self.authenticated: bool | None = None
        """Whether the last key that was presented on it was accepted, None before its first request
        is judged. Set by the middleware."""
        self._head_due_since: float | None = None
        self._stalled_since: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def at_work(self) -> bool:
        """Whether a request is being answered, to a client that reads."""
        stalled = self._stalled_since
        reads = stalled is None or self._loop.time() - stalled < PAUSE
        return reads and (self._request_in_progress or bool(self._messages))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._head_due_since = self._loop.time()
        self._timer = self._loop.call_later(HEAD_TIMEOUT, self._check_deadlines)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        before = self._request_count
        super().data_received(data)
        if self._request_count > before:
            self._head_due_since = None
        elif self._head_due_since is None and not self._request_in_progress:
            self._head_due_since = self._loop.time()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled_since = self._loop.time()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stalled_since = None

    def _check_deadlines(self) -> None:
        """Close what has been without a whole head, or a reader, for too long: aiohttp waits for
        ever."""
        now, left = self._loop.time(), HEAD_TIMEOUT
        if self._stalled_since is not None:
            left = min(left, self._stalled_since + STALLED_READER - now)
        elif self._head_due_since is not None:
            left = self._head_due_since + HEAD_TIMEOUT - now
        if left > 0:
            self._timer = self._loop.call_later(left, self._check_deadlines)
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


def _without_expectation(make: Any, message: Any, *more: Any) -> web.BaseRequest:
    """Make a request as `make` does, but keep its Expect apart: aiohttp would answer it before our
    middleware knows of the request, and repeat what it does not know."""
    expected = []
    if "Expect" in message.headers:
        headers = message.headers.copy()
        expected = headers.popall("Expect")
        message = message._replace(headers=CIMultiDictProxy(headers))
    request: web.BaseRequest = make(message, *more)
    if expected and request.version >= (1, 1):  # RFC 9110 section 10.1.1
        request[EXPECTED] = ", ".join(expected)
    return request


async def set_server_field(_: web.Request, response: web.StreamResponse) -> None:
    """Put our name into every answer of the application (a signal, `on_response_prepare`)."""
    response.headers["Server"] = SERVER
