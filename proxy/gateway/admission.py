"""Which connections are let in: so many in all, and so many from one source.

File handles are what limits them: as many as the system gives, shared out so that none of their
users takes all.

Whoever takes connections, clients of the gateway or of the admin server, is refused before the last
handle is gone: one that was let in still finds a handle to the upstream, and the store its own."""

from __future__ import annotations

import asyncio
import resource
from collections import Counter
from typing import Final, NamedTuple, Protocol

from proxy.auth.ratelimit import source_of
from proxy.config.model import Config
from proxy.http1.outbound import LOCAL, Peer

OWN: Final = 40
"""For the store, the log, listeners and what the runtime opens itself: 22 when it starts."""
ADMIN: Final = 256
"""The admin server's users are few."""


class Shares(NamedTuple):
    """How many connections each may have at once."""

    clients: int
    upstreams: dict[str, int]
    admin: int


def raise_limit() -> int:
    """Have as many file handles as may be had. Returns how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError):  # macOS has an "unlimited" that it does not give
            return soft
    return hard if hard != resource.RLIM_INFINITY else 1 << 30


def share(config: Config, handles: int) -> Shares:
    """As many connections as configured, or what there are handles for: an eighth for the admin
    server, of the rest half for the upstreams, since what a client asks for mostly takes one of
    each."""
    admin = min(ADMIN, handles // 8) if config.admin is not None else 0
    left = handles - OWN - admin
    wanted = {name: upstream.max_connections for name, upstream in config.upstreams.items()}
    most = sum(wanted.values())
    given = min(most, left // 2)
    upstreams = {name: max(1, number * given // most) for name, number in wanted.items()}
    clients = max(1, min(config.limits.connections, left - sum(upstreams.values())))
    return Shares(clients, upstreams, admin)


class Connection(Protocol):
    """A client's connection, before its TLS handshake or behind it."""

    transport: asyncio.Transport
    peer: Peer
    admitted: bool

    def tick(self, now: float) -> None: ...


class Admission:
    """Counts the clients' connections, in all and by source."""

    def __init__(self, most: int, per_source: int) -> None:
        """At most so many at once, and so many from one source (`ratelimit.source_of`)."""
        self._most = most
        self._per_source = per_source
        self.connections: set[Connection] = set()
        self._sources: Counter[str] = Counter()

    def admit(self, connection: Connection) -> bool:
        """Count a connection; False where there are too many, or too many from its source. Proxies
        of ours and Unix sockets stand for many sources."""
        peer = connection.peer
        if len(self.connections) >= self._most:
            return False
        exempt = peer.trusted or peer.address == LOCAL
        source = source_of(peer.address)
        if not exempt and self._sources[source] >= self._per_source:
            return False
        self.connections.add(connection)
        self._sources[source] += 1
        return True

    def leave(self, connection: Connection) -> None:
        """Count a connection out, if it was counted."""
        if not connection.admitted:
            return
        self.connections.discard(connection)
        source = source_of(connection.peer.address)
        self._sources[source] -= 1
        if not self._sources[source]:
            del self._sources[source]
