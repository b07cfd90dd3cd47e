"""After 101: bytes both ways, until either side ends or nothing is said for long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from proxy.domain.reasons import BaseReason
from proxy.gateway.failures import Failure, UpstreamFailure
from proxy.gateway.interfaces import Client, Shared
from proxy.gateway.pool import Pool
from proxy.gateway.revocation import RevocationWatch
from proxy.gateway.upstream import UpstreamConnection


class Tunnel:
    """Two connections that are one. It knows nothing of what is spoken in it.

    Implements `interfaces.RequestHandler` and `upstream.Relay`.
    """

    wants_body = True
    request_sent = True

    __slots__ = (
        "_client",
        "_closed",
        "_done",
        "_half",
        "_heard_at",
        "_pool",
        "_received",
        "_sent",
        "_shared",
        "_up",
        "_watch",
    )

    def __init__(
        self,
        client: Client,
        upstream: UpstreamConnection,
        pool: Pool,
        shared: Shared,
        watch: RevocationWatch,
        done: Callable[[int, int, BaseReason | None], None],
    ) -> None:
        """`done` is called with the bytes from the client, the bytes to it, and why the tunnel
        ended if not by itself."""
        self._client = client
        self._up = upstream
        self._pool = pool
        pool.tunnels += 1
        self._shared = shared
        self._watch = watch
        self._done = done
        self._received = self._sent = 0
        self._closed = self._half = False
        self._heard_at = shared.now

    def receive(self, data: bytes) -> bytes:
        """From the client to the upstream. Nothing is left over."""
        self._heard_at = self._shared.now
        self._received += len(data)
        self._up.transport.write(data)
        return b""

    def upstream_data(self, data: bytes) -> None:
        """From the upstream to the client."""
        self._heard_at = self._shared.now
        self._sent += len(data)
        self._client.transport.write(data)

    def client_eof(self) -> None:
        """The client sends no more; the upstream learns that and may go on."""
        self._half_closed(self._up.transport)

    def upstream_eof(self) -> None:
        """The upstream sends no more; the client learns that and may go on."""
        self._half_closed(self._client.transport)

    def _half_closed(self, other: asyncio.WriteTransport) -> None:
        if self._half or not other.can_write_eof():  # TLS has no half-closed connections
            self._end(None)
        else:
            self._half = True
            other.write_eof()

    def client_lost(self) -> None:
        """The client is gone."""
        self._end(None)

    def upstream_lost(self, failure: UpstreamFailure) -> None:
        """The upstream is gone, which ends a tunnel as any other end does."""
        self._end(None)

    def client_blocked(self, blocked: bool) -> None:
        """Read no faster from the upstream than the client takes it."""
        self._up.hold(blocked)

    def upstream_blocked(self, blocked: bool) -> None:
        """Read no faster from the client than the upstream takes it."""
        self._client.hold(blocked)

    def tick(self, now: float) -> None:
        """End what has been silent for too long, sooner where one side has nothing more to say."""
        self._watch.tick(self._shared.wall)
        timeouts = self._shared.runtime.timeouts
        if now - self._heard_at >= (timeouts.half_closed if self._half else timeouts.tunnel_idle):
            self._end(Failure.TUNNEL_IDLE)

    def cut(self) -> None:
        """End it now, with nothing more said: its right has ended."""
        if not self._closed:
            self._up.transport.abort()
            self._client.transport.abort()
            self._end(Failure.REVOKED)

    def _end(self, reason: BaseReason | None) -> None:
        if self._closed:
            return
        self._closed = True
        self._pool.tunnels -= 1
        self._up.finish()
        self._client.exchange_done(keep=False)
        self._done(self._received, self._sent, reason)
