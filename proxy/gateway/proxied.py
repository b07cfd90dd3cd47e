"""Connections that begin with a header of the PROXY protocol, which names the client.

The rule that lives here: on a listener that asks for the header, no connection is served without
one, and nobody but a trusted proxy may send one. Whoever could leave it out, or make it up, would
choose the address that limits and the log see.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

from proxy.domain.reasons import BaseReason
from proxy.gateway.downstream import peer_of
from proxy.gateway.failures import Failure
from proxy.gateway.interfaces import Shared
from proxy.http1.forwarding import LOCAL, Peer
from proxy.http1.proxy_protocol import read
from proxy.telemetry.accesslog import requested
from proxy.telemetry.outcome import Outcome


class Server(Shared, Protocol):
    """What such a connection needs of the gateway."""

    def admit(self, connection: ProxiedConnection) -> bool:
        """Count a connection; False where there are too many."""

    def leave(self, connection: ProxiedConnection) -> None:
        """Stop counting it."""


class ProxiedConnection(asyncio.Protocol):
    """A connection until its header is complete. Then it is the client's, and counts as such."""

    __slots__ = ("_buffer", "_make", "_server", "_since", "admitted", "peer", "transport")

    def __init__(self, server: Server, make: Callable[[str], asyncio.Protocol]) -> None:
        """`make` makes the protocol that takes over, for a client with this address; an empty one
        means that the client is the proxy itself."""
        self._server = server
        self._make = make
        self._since = server.now
        self._buffer = b""
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        self.peer = Peer("", "http", False)
        self.admitted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.peer = peer_of(transport, self.peer, self._server.runtime.is_trusted)
        if not (self.peer.trusted or self.peer.address == LOCAL):
            self._refuse(Failure.PROXY_PEER)
            return
        self.admitted = self._server.admit(self)
        if not self.admitted:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._buffer += data
        try:
            header = read(self._buffer)
        except ValueError:
            self._refuse(Failure.PROXY_HEADER)
            return
        if header is not None:
            self._hand_over(header.client or "", self._buffer[header.size :])

    def _hand_over(self, source: str, rest: bytes) -> None:
        """From now on the connection belongs to its client, which sent `rest` already."""
        transport = self.transport
        self._server.leave(self)
        self.admitted = False
        protocol = self._make(source)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if rest and not transport.is_closing():
            # Which one it is by now depends on whether TLS comes next.
            cast("asyncio.Protocol", transport.get_protocol()).data_received(rest)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.leave(self)

    def _refuse(self, reason: BaseReason) -> None:
        server, nothing = self._server, requested(self.peer.address, b"", b"")
        server.telemetry.record(
            Outcome(
                server.new_request_id(),
                nothing,
                reason.status,
                received=0,
                sent=0,
                seconds=0.0,
                reason=reason,
            ),
            server.telemetry.latency(reason.status),
        )
        server.usage.counter(server.wall, reason.status, reason).requests += 1
        self.transport.abort()

    def tick(self, now: float) -> None:
        """End it where the header takes too long. Called about once a second."""
        if now - self._since >= self._server.runtime.timeouts.head:
            self._refuse(Failure.HEAD_TIMEOUT)

    def settle(self, version: int) -> bool:
        """Nothing to decide: there is no request yet."""
        return True

    def shut_down(self) -> None:
        """End the connection."""
        self.transport.abort()
