"""Which connections are admitted: a limit for all of them, and one for each source.

Both rest on the number of file handles, which are shared out among clients, upstreams and the admin
server. A client is refused before the last handle is gone, so that one that was admitted still
finds a handle for the upstream, and the store its own.
"""

from __future__ import annotations

import asyncio
import resource
from typing import Final, NamedTuple, Protocol

from proxy.auth.ratelimit import source_of
from proxy.config.model import Config
from proxy.gateway.process import SourceCounts
from proxy.http1.forwarding import LOCAL, Peer

OWN: Final = 40
"""Handles for the store, the log, the listeners and the Python runtime: 25 at the start."""
ADMIN: Final = 256
"""Handles for the admin server, which has few clients."""


class Shares(NamedTuple):
    """How many connections each may have at once."""

    clients: int
    upstreams: dict[str, int]
    admin: int


def raise_limit() -> int:
    """Raise the soft limit of file handles to the hard limit. Returns the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError):  # macOS has an "unlimited" that it does not give
            return soft
    return hard if hard != resource.RLIM_INFINITY else 1 << 30


def share(config: Config, handles: int, processes: int = 1) -> Shares:
    """As many connections as configured for each of the processes, or as there are `handles` for in
    one: an eighth for the admin server, and half of the rest for the upstreams, since most requests
    take one connection on each side."""
    admin = min(ADMIN, handles // 8) if config.admin is not None else 0
    left = handles - OWN - admin
    each = config.upstreams.items()
    wanted = {name: -(-upstream.connections // processes) for name, upstream in each}
    most = sum(wanted.values())
    given = min(most, left // 2)
    upstreams = {name: max(1, number * given // most) for name, number in wanted.items()}
    most_clients = -(-config.limits.connections // processes)
    clients = max(1, min(most_clients, left - sum(upstreams.values())))
    return Shares(clients, upstreams, admin)


class Connection(Protocol):
    """A client's connection, during its TLS handshake or after it."""

    transport: asyncio.Transport
    peer: Peer
    admitted: bool

    def tick(self, now: float) -> None: ...
    def settle(self, version: int) -> bool: ...
    def shut_down(self) -> None: ...


class Admission:
    """Counts the clients' connections, in total and by source."""

    def __init__(self, most: int, per_source: int, sources: SourceCounts) -> None:
        """`most` connections at once, and `per_source` from one source (`ratelimit.source_of`)."""
        self.limit(most, per_source)
        self.connections: set[Connection] = set()
        self._sources = sources

    def limit(self, most: int, per_source: int) -> None:
        """Set the limits for connections to come: those that are open stay."""
        self._most = most
        self._per_source = per_source

    def admit(self, connection: Connection) -> bool:
        """Count a connection; False where there are too many, or too many from its source. Trusted
        proxies and Unix sockets stand for many clients and have no limit of their own."""
        peer = connection.peer
        if len(self.connections) >= self._most:
            return False
        exempt = peer.trusted or peer.address == LOCAL
        source = source_of(peer.address)
        if not exempt and self._sources.count(source) >= self._per_source:
            return False
        self.connections.add(connection)
        self._sources.enter(source)
        return True

    def leave(self, connection: Connection) -> None:
        """Stop counting a connection, if it was admitted."""
        if not connection.admitted:
            return
        self.connections.discard(connection)
        self._sources.leave(source_of(connection.peer.address))
