"""The connections to one target: opened, bounded in number, kept while idle, and used again.

An upstream at one URL is one target; of several, a `Balancer` chooses the pool.

Tested in `tests/load/test_upstream.py`, with upstreams that fail in every way.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection
from typing import Final, Protocol

from proxy.gateway.addresses import Addresses, Resolve, resolve
from proxy.gateway.dialer import Dial, DialFailure, open_connection
from proxy.gateway.failures import Failure, UpstreamFailure
from proxy.gateway.transport import address_of
from proxy.gateway.upstream import UpstreamConnection
from proxy.gateway.upstream_interfaces import ResponseHandler
from proxy.http1.outbound import Origin
from proxy.targets.retries import SAFE as SAFE_METHODS
from proxy.telemetry.health import Report, say_nothing

SAFE: Final = frozenset(method.encode() for method in SAFE_METHODS)
LINGER: Final = 10.0
"""Seconds that an upstream has to read what was written before the connection is cut."""
ASKED: Final = 2.0
"""Seconds that an upstream has to close after both messages ended with `Connection: close`."""


class Watcher(Protocol):
    """Who wants to know how a target does."""

    def failed(self, cause: str) -> None:
        """A request failed, or no connection could be opened."""

    def worked(self) -> None:
        """A response came, for the first time since a failure."""


class Pool:
    """The connections to one target. The one that was used last is used first."""

    def __init__(
        self,
        origin: Origin,
        dial: Dial,
        clock: Callable[[], float] = time.monotonic,
        resolve: Resolve = resolve,
        url: str = "",
    ) -> None:
        """`clock` returns monotonic seconds. It is exact, unlike the ticks, since a connection that
        has been idle too long may be closed by the upstream at any moment."""
        self.url = url
        """Where the target is, as it is configured."""
        self.origin = origin
        self.dial = dial
        self.addresses = Addresses(dial.host, self._retire_others, resolve, clock)
        self.clock = clock
        self._idle: list[UpstreamConnection] = []
        self._open: set[UpstreamConnection] = set()
        self._retired: set[UpstreamConnection] = set()
        """Those that are not used again: the upstream no longer has their address."""
        self._closing: dict[UpstreamConnection, float] = {}
        self._dialling: set[asyncio.Task[None]] = set()
        self._waiting: deque[ResponseHandler] = deque()
        self.spare: Callable[[], None] = self._connect_next
        """Called when there is room for another connection, and somebody may be waiting."""
        self.watcher: Watcher | None = None
        self.failures = 0
        """How many requests and attempts to connect have failed in a row."""
        self.failures_in_all = 0
        self.cause = ""
        """Of the last failure, until something works."""
        self.since = clock()
        """Since when that is so, in monotonic seconds."""
        self.bad_statuses: Collection[int] = ()
        """The statuses of responses, of 500 and more, that count as failures."""
        self.report: Report = say_nothing
        """Called after each attempt to connect: with the cause of its failure, or None."""
        self.tunnels = 0
        """How many connections are tunnels; the tunnels count themselves."""
        self.in_use = True
        """Whether requests to come may get a connection to it."""

    @property
    def has_room_for_a_tunnel(self) -> bool:
        """Whether another tunnel may open. Tunnels last long, so half of the connections is kept
        for requests."""
        return self.tunnels < max(1, self.dial.max_connections // 2)

    @property
    def load(self) -> int:
        """How many requests and tunnels are in progress, or about to be."""
        return len(self._open) - len(self._idle) - len(self._closing) + len(self._dialling)

    @property
    def waiting(self) -> int:
        """How many requests wait for a connection."""
        return len(self._waiting)

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._open)

    @property
    def has_room(self) -> bool:
        """Whether a request would get a connection now, and not wait for one."""
        return bool(self._idle) or self._has_room

    @property
    def _has_room(self) -> bool:
        return len(self._open) + len(self._dialling) < self.dial.max_connections

    @property
    def _has_too_many(self) -> bool:
        """Whether more are open than may be, since the limit was lowered."""
        return len(self._open) > self.dial.max_connections

    @property
    def by_state(self) -> dict[str, int]:
        """How many connections there are, by what they do."""
        idle, tunnels, closing = len(self._idle), self.tunnels, len(self._closing)
        return {
            "active": len(self._open) - idle - tunnels - closing,
            "idle": idle,
            "tunnel": tunnels,
            "closing": closing,
            "opening": len(self._dialling),
        }

    def acquire(self, handler: ResponseHandler, *, fresh: bool = False) -> None:
        """Give `handler` a connection, now or later; or call its `upstream_lost` on a failure.

        `fresh`: not one that is idle now.
        """
        connection = None if fresh else self.take_idle(self.clock())
        if connection is not None:
            handler.connected(connection)
        elif self._has_room:
            self._connect(handler)
        elif len(self._waiting) < self.dial.queue:
            self._waiting.append(handler)
            if self._closing:  # nobody waits for an upstream that does not close when asked to
                next(iter(self._closing)).discard()
            elif self._idle:  # `fresh`: it wants none of them, but the place of one
                self._idle.pop(0).discard()
        else:
            handler.upstream_lost(UpstreamFailure(Failure.UPSTREAM_BUSY))

    def take_idle(self, now: float) -> UpstreamConnection | None:
        """The connection that became idle last, for a request that is sent `now`, in monotonic
        seconds; None where none is idle."""
        while self._idle:
            connection = self._idle.pop()
            if now - connection.idle_since < self.dial.keepalive_timeout:
                return connection
            connection.discard()
        return None

    def put_back(self, connection: UpstreamConnection) -> None:
        """Take back what `take_idle` returned, where no request was sent."""
        self._idle.append(connection)

    def give_up(self, handler: ResponseHandler) -> None:
        """Remove `handler` from the queue, if it is there."""
        if handler in self._waiting:
            self._waiting.remove(handler)

    def release(self, connection: UpstreamConnection, now: float) -> None:
        """Take back a connection after request and response have both ended cleanly, `now`, in
        monotonic seconds."""
        connection.idle_since = now
        if (
            now >= connection.until
            or connection.carried >= self.dial.max_requests
            or (self._retired and connection in self._retired)
        ):
            connection.finish()
            return
        if self._waiting:
            if self._has_too_many:
                connection.finish()
            else:
                self._waiting.popleft().connected(connection)
            return
        self._idle.append(connection)

    # --- how the target does ---

    def repeats(self, handler: ResponseHandler, failure: UpstreamFailure) -> bool:
        """Whether a request that failed so is to be sent once more: where the connection was a kept
        one, and the request cannot act twice."""
        safe = handler.whole and handler.method in SAFE
        return failure.unanswered and safe and not handler.tried

    def answered(self, status: int) -> None:
        """A response has come that may say something of the target."""
        if status in self.bad_statuses:
            self.failed(f"status {status}")
        elif self.failures:
            self.failures = 0
            if self.cause:
                self.cause, self.since = "", self.clock()
            if self.watcher is not None:
                self.watcher.worked()

    def failed(self, cause: str) -> None:
        """The target has failed a request, or could not be connected to."""
        self.failures += 1
        self.failures_in_all += 1
        if not self.cause:
            self.since = self.clock()
        self.cause = cause
        if self.watcher is not None:
            self.watcher.failed(cause)

    def doubt(self) -> None:
        """The target does not seem to be well: let its requests go elsewhere, if they can."""
        for connection in list(self._open):
            connection.doubt()

    def share_queue(self, waiting: deque[ResponseHandler]) -> None:
        """From now on, requests wait in `waiting`, which other targets serve too."""
        if waiting is not self._waiting:
            waiting.extend(self._waiting)
            self._waiting = waiting

    def leave(self, *, queue: bool = True) -> None:
        """The target belongs to a `Balancer` no longer. `queue`: nor do the requests that wait."""
        self.watcher, self.spare, self.bad_statuses = None, self._connect_next, ()
        if queue:
            self._waiting = deque()

    def closing(self, connection: UpstreamConnection, *, asked: bool = False) -> None:
        """A connection is being closed, or its upstream was asked to close it (`asked`). It is cut
        if that takes too long."""
        self._closing[connection] = self.clock() + (ASKED if asked else LINGER)

    def lost(self, connection: UpstreamConnection) -> None:
        """A connection has closed."""
        self._open.discard(connection)
        self._retired.discard(connection)
        self._closing.pop(connection, None)
        if connection in self._idle:
            self._idle.remove(connection)
        if self._waiting:
            self.spare()

    def tick(self) -> None:
        """Close connections that have been idle too long, before the upstream does and a request is
        lost; and cut those that take too long to close."""
        now = self.clock()
        for connection in self._idle[:]:
            old = now - connection.idle_since >= self.dial.keepalive_timeout
            if old or now >= connection.until or self._has_too_many:
                self._idle.remove(connection)
                connection.finish()
        for connection, until in list(self._closing.items()):
            if now >= until:
                connection.discard()
        if self.in_use and self.dial.unix_path is None:
            self.addresses.tick()

    def _retire_others(self, addresses: Collection[str]) -> None:
        """From now on, the upstream has these addresses alone. What is in progress goes on."""
        for connection in self._open:
            transport = connection.transport
            if not transport.is_closing() and address_of(transport) not in addresses:
                self._retired.add(connection)
        for connection in self._retired.intersection(self._idle):
            self._idle.remove(connection)
            connection.finish()

    def renew(self, origin: Origin, dial: Dial) -> None:
        """From now on, use other settings for the same server. The connections stay, for requests
        in progress too; those beyond a lower limit are closed as they become idle."""
        self.origin, self.dial = origin, dial
        while self.watcher is None and self._waiting and self._has_room:
            self._connect(self._waiting.popleft())

    def retire(self) -> None:
        """Finish the requests that began with this pool, and keep no connection after them."""
        self.report = self.addresses.report = say_nothing
        self.in_use = False
        self.dial = self.dial._replace(keepalive_timeout=0)
        self.tick()

    async def probe(self) -> str | None:
        """Try a connection, and report it. Returns why it failed, None where it succeeded."""
        cause = await self._try()
        self.report(cause)
        if cause is not None:
            self.failed(cause)
        return cause

    async def _try(self) -> str | None:
        try:
            connection = await self.open_connection()
        except DialFailure as error:
            return str(error)
        if not connection.transport.is_closing():
            self._open.add(connection)  # until it is closed, as any other: see `load`
            connection.finish()
        return None

    def close(self) -> None:
        """Close the idle connections and stop connecting."""
        for task in self._dialling:
            task.cancel()
        self.addresses.close()
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
            connection = await self.open_connection()
        except DialFailure as error:
            failure, cause = error.reason, str(error)
        except asyncio.CancelledError:
            failure = Failure.SHUTTING_DOWN
        finally:
            self._dialling.discard(asyncio.current_task())
        if failure is not Failure.SHUTTING_DOWN:
            self.report(cause)
        if failure is None and connection.transport.is_closing():
            failure = Failure.UPSTREAM_CLOSED
        if failure is not None:
            if failure is not Failure.SHUTTING_DOWN:
                self.failed(cause or failure.code)
            unsent = failure is not Failure.SHUTTING_DOWN
            handler.upstream_lost(UpstreamFailure(failure, unsent=unsent, pool=self))
            if self._waiting:
                self.spare()  # else the next in the queue would wait for ever
        else:
            self._open.add(connection)
            connection.until = self.clock() + self.dial.max_age
            if not self.addresses.has(address_of(connection.transport)):
                self._retired.add(connection)  # the name was looked up again meanwhile
            handler.connected(connection)

    async def open_connection(self) -> UpstreamConnection:
        """Open a connection beside those of requests. Raises `DialFailure`."""
        return await open_connection(self.dial, self.addresses, lambda: UpstreamConnection(self))
