"""The connections to one upstream: opened, bounded in number, kept while idle, and used again.

Tested in `tests/load/test_upstream.py`, with upstreams that fail in every way.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from proxy.gateway.failures import Failure, UpstreamFailure
from proxy.gateway.upstream import UpstreamConnection
from proxy.gateway.upstream_interfaces import ResponseHandler
from proxy.http1.outbound import Origin
from proxy.telemetry.health import Report


class Dial(NamedTuple):
    """How to connect to an upstream, and the limits of its connections. Times in seconds."""

    host: str
    port: int
    unix_path: str | None
    tls: ssl.SSLContext | None
    server_name: str | None
    connect_timeout: float
    first_byte_timeout: float
    idle_timeout: float
    keepalive_timeout: float
    max_connections: int
    queue: int


LINGER: Final = 10.0
"""Seconds that an upstream has to read what was written before the connection is cut."""
ASKED: Final = 2.0
"""Seconds that an upstream has to close after both messages ended with `Connection: close`."""


class Pool:
    """The connections to one upstream. The one that was used last is used first."""

    def __init__(
        self, origin: Origin, dial: Dial, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` returns monotonic seconds. It is exact, unlike the ticks, since a connection that
        has been idle too long may be closed by the upstream at any moment."""
        self.origin = origin
        self.dial = dial
        self._clock = clock
        self._idle: list[UpstreamConnection] = []
        self._open: set[UpstreamConnection] = set()
        self._closing: dict[UpstreamConnection, float] = {}
        self._dialling: set[asyncio.Task[None]] = set()
        self._waiting: deque[ResponseHandler] = deque()
        self.report: Report = lambda _: None
        """Called after each attempt to connect: with the cause of its failure, or None."""
        self.tunnels = 0
        """How many connections are tunnels; the tunnels count themselves."""

    @property
    def has_room_for_a_tunnel(self) -> bool:
        """Whether another tunnel may open. Tunnels last long, so half of the connections is kept
        for requests."""
        return self.tunnels < max(1, self.dial.max_connections // 2)

    @property
    def _has_room(self) -> bool:
        return len(self._open) + len(self._dialling) < self.dial.max_connections

    def acquire(self, handler: ResponseHandler, *, fresh: bool = False) -> None:
        """Give `handler` a connection, now or later; or call its `upstream_lost` on a failure.

        `fresh`: not one that is idle now.
        """
        while self._idle and not fresh:
            connection = self._idle.pop()
            if self._clock() - connection.idle_since < self.dial.keepalive_timeout:
                handler.connected(connection)
                return
            connection.discard()
        if self._has_room:
            self._connect(handler)
        elif len(self._waiting) < self.dial.queue:
            self._waiting.append(handler)
        else:
            handler.upstream_lost(UpstreamFailure(Failure.UPSTREAM_BUSY))

    def give_up(self, handler: ResponseHandler) -> None:
        """Remove `handler` from the queue, if it is there."""
        if handler in self._waiting:
            self._waiting.remove(handler)

    def release(self, connection: UpstreamConnection) -> None:
        """Take back a connection after request and response have both ended cleanly."""
        if self._waiting:
            self._waiting.popleft().connected(connection)
            return
        connection.idle_since = self._clock()
        self._idle.append(connection)

    def closing(self, connection: UpstreamConnection, *, asked: bool = False) -> None:
        """A connection is being closed, or its upstream was asked to close it (`asked`). It is cut
        if that takes too long."""
        self._closing[connection] = self._clock() + (ASKED if asked else LINGER)

    def lost(self, connection: UpstreamConnection) -> None:
        """A connection has closed."""
        self._open.discard(connection)
        self._closing.pop(connection, None)
        if connection in self._idle:
            self._idle.remove(connection)
        self._connect_next()

    def tick(self) -> None:
        """Close connections that have been idle too long, before the upstream does and a request is
        lost; and cut those that take too long to close."""
        now = self._clock()
        for connection in self._idle[:]:
            if now - connection.idle_since >= self.dial.keepalive_timeout:
                self._idle.remove(connection)
                connection.finish()
        for connection, until in list(self._closing.items()):
            if now >= until:
                connection.discard()

    async def probe(self) -> str | None:
        """Try a connection, and report it. Returns why it failed, None where it succeeded."""
        cause = await self._try()
        self.report(cause)
        return cause

    async def _try(self) -> str | None:
        try:
            async with asyncio.timeout(self.dial.connect_timeout):
                connection = await self._open_connection()
        except TimeoutError:
            return self._no_answer
        except (OSError, ValueError) as error:
            return str(error)
        connection.finish()
        return None

    def close(self) -> None:
        """Close the idle connections and stop connecting."""
        for task in self._dialling:
            task.cancel()
        for connection in self._idle[:]:
            connection.discard()

    def _connect(self, handler: ResponseHandler) -> None:
        task = asyncio.get_running_loop().create_task(self._dial(handler))
        self._dialling.add(task)

    def _connect_next(self) -> None:
        if self._waiting and self._has_room:
            self._connect(self._waiting.popleft())

    async def _dial(self, handler: ResponseHandler) -> None:
        failure: Failure | None = None
        cause: str | None = None
        try:
            async with asyncio.timeout(self.dial.connect_timeout):
                connection = await self._open_connection()
        except TimeoutError:
            failure, cause = Failure.UPSTREAM_CONNECT_TIMEOUT, self._no_answer
        except ssl.SSLError as error:
            failure, cause = Failure.UPSTREAM_TLS, str(error)
        except (OSError, ValueError) as error:
            failure, cause = Failure.UPSTREAM_UNREACHABLE, str(error)
        except asyncio.CancelledError:
            failure = Failure.SHUTTING_DOWN
        finally:
            self._dialling.discard(asyncio.current_task())
        if failure is not Failure.SHUTTING_DOWN:
            self.report(cause)
        if failure is None and connection.transport.is_closing():
            failure = Failure.UPSTREAM_CLOSED
        if failure is not None:
            handler.upstream_lost(UpstreamFailure(failure))
            self._connect_next()  # else the next in the queue would wait for ever
        else:
            self._open.add(connection)
            handler.connected(connection)

    @property
    def _no_answer(self) -> str:
        return f"no answer within {self.dial.connect_timeout:g} s"

    async def _open_connection(self) -> UpstreamConnection:
        loop, dial = asyncio.get_running_loop(), self.dial
        if dial.unix_path is not None:
            transport, connection = await loop.create_unix_connection(
                lambda: UpstreamConnection(self), dial.unix_path
            )
        else:
            transport, connection = await loop.create_connection(
                lambda: UpstreamConnection(self), dial.host, dial.port
            )
        if dial.tls is not None:
            name = dial.server_name or dial.host
            secured = await loop.start_tls(transport, connection, dial.tls, server_hostname=name)
            if secured is None:
                raise ConnectionResetError("the connection has closed")
            connection.secured(secured)
        return connection
