"""Bounds the connections of a server, in all and per source, before their TLS handshake.

The rule that lives here: a new connection is let in, and where that makes too many, others are
closed for it in this order. First the unauthenticated ones, those that were answered without a key
before those that were not answered yet: what is said without a key secures no place. Of these, the
source that has the most makes room, with the one that came first: so sources that connect again and
again push out themselves, and a client of another source has time to present its key. Then the
authenticated ones that are not at work, the one heard of longest ago first. An authenticated
connection at work stays; where nothing else can be closed, the new one is.

Unauthenticated connections have three quarters of all places, a source has one quarter. So clients
without a key push each other out, and a client with a key always finds a place.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from time import monotonic  # exact: many come within one iteration of the loop, whose clock stands
from typing import Protocol, cast

from proxy.auth.ratelimit import source_of
from proxy.gateway.handshake import ServerTls, start_tls
from proxy.gateway.transport import address_of
from proxy.http1.forwarding import LOCAL


class LimitedProtocol(Protocol):
    """An `asyncio.Protocol` that tells what the limiter must know of its connection."""

    @property
    def authenticated(self) -> bool | None:
        """Whether the last key that was presented on it was accepted; None before that is known."""
        ...

    @property
    def at_work(self) -> bool:
        """Whether a request is being answered."""
        ...

    def connection_made(self, transport: asyncio.BaseTransport) -> None: ...
    def connection_lost(self, exc: BaseException | None) -> None: ...
    def data_received(self, data: bytes) -> None: ...
    def eof_received(self) -> bool | None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...


class ConnectionLimiter:
    """A protocol factory, for `loop.create_server`, in front of another one."""

    def __init__(
        self,
        make: Callable[[], LimitedProtocol],
        most: int,
        tls: ServerTls | None = None,
        is_trusted: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """`make` is the factory behind it, `most` how many connections may be open at once.

        With `tls` they are served over TLS, of which the event loop's server must know nothing.
        `is_trusted`: whether an address is that of a trusted proxy, whose connections are of many
        clients and do not count as those of one source.
        """
        self.make = make
        self.is_trusted = is_trusted
        self.tls = tls
        self._most = most
        self._most_unauthenticated = max(1, most * 3 // 4)
        self._most_of_source = max(1, most // 4)
        self._connections: set[LimitedConnection] = set()

    def __call__(self) -> LimitedConnection:
        """Make the protocol of a new connection."""
        return LimitedConnection(self)

    def admit(self, new: LimitedConnection) -> bool:
        """Count a connection, and close what is too many with it. Answers whether it may stay."""
        self._connections.add(new)
        if new.source is not None:
            of_source = (each for each in self._connections if each.source == new.source)
            self._close_beyond(self._most_of_source, of_source, new)
        unauthenticated = (each for each in self._connections if not each.authenticated)
        self._close_beyond(self._most_unauthenticated, unauthenticated, new)
        self._close_beyond(self._most, self._connections, new)
        return new in self._connections

    def leave(self, connection: LimitedConnection) -> None:
        """Count a connection no longer."""
        self._connections.discard(connection)

    def abort_handshakes(self) -> None:
        """Close the connections whose TLS handshake is not done."""
        for connection in list(self._connections):
            if not connection.opened:
                self._close(connection)

    def _close_beyond(
        self, most: int, connections: Iterable[LimitedConnection], new: LimitedConnection
    ) -> None:
        """Close as many of `connections`, which `new` is one of, as there are more than `most`."""
        left = list(connections)
        while len(left) > most:
            crowds = Counter(each.client for each in left if not each.authenticated)
            closable = [each for each in left if each is not new and each.closable]
            closed = min(closable, key=partial(_precedence, crowds), default=new)
            left.remove(closed)
            self._close(closed)

    def _close(self, connection: LimitedConnection) -> None:
        self._connections.discard(connection)
        connection.transport.abort()


class LimitedConnection(asyncio.Protocol):
    """A connection that the limiter counts; it hands on to the protocol behind it what happens."""

    __slots__ = ("_limiter", "_protocol", "came", "heard", "source", "transport")

    def __init__(self, limiter: ConnectionLimiter) -> None:
        self._limiter = limiter
        self._protocol: LimitedProtocol | None = None
        self.came = self.heard = monotonic()
        """When it was accepted, and when anything last arrived."""
        self.source: str | None = None
        """Whom it counts for. None at a Unix socket and behind a trusted proxy, where that cannot
        be known."""
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        """The connection as it was accepted, without TLS."""

    @property
    def client(self) -> object:
        """Whom it shares its places with: those of its source, at a Unix socket nobody."""
        return self.source or self

    @property
    def opened(self) -> bool:
        """Whether its TLS handshake is done, where it has one."""
        return self._protocol is not None

    @property
    def authenticated(self) -> bool | None:
        """Whether the last key that was presented on it was accepted; None before that is known."""
        return None if self._protocol is None else self._protocol.authenticated

    @property
    def closable(self) -> bool:
        """Whether it may be closed for another one."""
        return self._protocol is None or not (
            self._protocol.authenticated and self._protocol.at_work
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called once for a connection without TLS; twice, the second time over TLS, for others."""
        if self.transport is not None:
            self._open(transport)
            return
        self.transport = cast("asyncio.Transport", transport)
        address = address_of(transport)
        if address != LOCAL and not self._limiter.is_trusted(address):
            self.source = source_of(address)
        if not self._limiter.admit(self):
            return
        if self._limiter.tls is None:
            self._open(transport)
        else:
            start_tls(self.transport, self, self._limiter.tls, self._handshake_ended)

    def _open(self, transport: asyncio.BaseTransport) -> None:
        self._protocol = self._limiter.make()
        self._protocol.connection_made(transport)

    def _handshake_ended(self) -> None:
        if self._protocol is None:
            self._limiter.leave(self)
            self.transport.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._limiter.leave(self)
        if self._protocol is not None:
            self._protocol.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self.heard = monotonic()
        if self._protocol is not None:
            self._protocol.data_received(data)

    def eof_received(self) -> bool | None:
        return self._protocol.eof_received() if self._protocol is not None else None

    def pause_writing(self) -> None:
        if self._protocol is not None:
            self._protocol.pause_writing()

    def resume_writing(self) -> None:
        if self._protocol is not None:
            self._protocol.resume_writing()


def _precedence(
    crowds: Mapping[object, int], connection: LimitedConnection
) -> tuple[bool, bool, int, float]:
    """Which connection is closed first: the one with the lowest. `crowds`: how many unauthenticated
    ones each client has."""
    if connection.authenticated:
        return True, True, 0, connection.heard
    unanswered = connection.authenticated is None
    return False, unanswered, -crowds[connection.client], connection.came
