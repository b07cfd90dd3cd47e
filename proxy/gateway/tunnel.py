"""After 101: bytes both ways, until either side ends or nothing is said for long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from proxy.gateway.interfaces import Client, Node
from proxy.gateway.pool import Pool
from proxy.gateway.revocation import RevocationWatch
from proxy.gateway.upstream import Answer, UpstreamConnection


class Tunnel:
    """Two connections that are one. It knows nothing of what is spoken in it."""

    head_only = False
    alone = True
    wants_upgrade: bytes | None = None
    request_sent = True
    wants_body = True

    __slots__ = (
        "_client",
        "_closed",
        "_done",
        "_half",
        "_heard_at",
        "_node",
        "_pool",
        "_received",
        "_sent",
        "_up",
        "_watch",
    )

    def __init__(
        self,
        client: Client,
        upstream: UpstreamConnection,
        pool: Pool,
        node: Node,
        watch: RevocationWatch,
        done: Callable[[int, int, str | None], None],
    ) -> None:
        """`done` is told bytes from the client, bytes to it, and why it ended if not by itself."""
        self._client = client
        self._up = upstream
        self._pool = pool
        pool.tunnels += 1
        self._node = node
        self._watch = watch
        self._done = done
        self._received = self._sent = 0
        self._closed = self._half = False
        self._heard_at = node.now

    def receive(self, data: bytes) -> bytes:
        """From the client to the upstream. Nothing is left over."""
        self._heard_at = self._node.now
        self._received += len(data)
        self._up.transport.write(data)
        return b""

    def answer_body(self, data: bytes) -> None:
        """From the upstream to the client."""
        self._heard_at = self._node.now
        self._sent += len(data)
        self._client.transport.write(data)

    def client_eof(self) -> None:
        """The client sends no more; the upstream is told so and may go on."""
        self._half_closed(self._up.transport)

    def upstream_eof(self) -> None:
        """The upstream sends no more; the client is told so and may go on."""
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

    def upstream_lost(self, status: int, word: str, *, unanswered: bool) -> None:
        """The upstream is gone."""
        self._end(None)

    def client_blocked(self, blocked: bool) -> None:
        """Read no faster from the upstream than the client takes it."""
        self._up.hold(blocked)

    def upstream_blocked(self, blocked: bool) -> None:
        """Read no faster from the client than the upstream takes it."""
        self._client.hold(blocked)

    def tick(self, now: float) -> None:
        """End what has been silent for too long, sooner where one side has nothing more to say."""
        self._watch.tick(self._node.wall)
        timeouts = self._node.timeouts
        if now - self._heard_at >= (timeouts.half_closed if self._half else timeouts.tunnel_idle):
            self._end("tunnel-idle")

    def cut(self, reason: str) -> None:
        """End it now, with nothing more said: its right has ended."""
        if not self._closed:
            self._up.transport.abort()
            self._client.transport.abort()
            self._end(reason)

    def _end(self, reason: str | None) -> None:
        if self._closed:
            return
        self._closed = True
        self._pool.tunnels -= 1
        self._up.finish()
        self._client.exchange_done(keep=False)
        self._done(self._received, self._sent, reason)

    # An answer is over once a tunnel is there.

    def carried_by(self, upstream: UpstreamConnection) -> None: ...
    def interim(self, answer: Answer) -> None: ...
    def answer(self, answer: Answer, whole: bytes = b"") -> None: ...
    def answer_end(self) -> None: ...
    def switched(self, answer: Answer, rest: bytes) -> None: ...
