"""After a 101: bytes in both directions, until either side ends or both are silent too long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from proxy.auth.access_request import AccessRequest
from proxy.auth.decision import Decider
from proxy.domain.model import Deny
from proxy.domain.reasons import BaseReason
from proxy.gateway.failures import Failure, UpstreamFailure
from proxy.gateway.interfaces import Client, Shared
from proxy.gateway.pool import Pool
from proxy.gateway.revocation import RevocationWatch
from proxy.gateway.upstream import UpstreamConnection
from proxy.http1.head import WEBSOCKET
from proxy.http1.websocket import GOING_AWAY, POLICY_VIOLATION, Frames, close_frame

CLOSE_CODES: Final[Mapping[BaseReason, int]] = {Failure.REVOKED: POLICY_VIOLATION}
"""What a WebSocket is told when the gateway ends it; for other reasons, `GOING_AWAY`."""


class Tunnel:
    """A client's and an upstream's connection, joined. It does not look into the bytes, except for
    the ends of a WebSocket's frames: there the gateway can send a close frame of its own.

    Implements `interfaces.RequestHandler` and `upstream_interfaces.Relay`.
    """

    wants_body = True
    course = None
    left = 0

    __slots__ = (
        "_client",
        "_closed",
        "_done",
        "_from_client",
        "_from_upstream",
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
        decider: Decider,
        access: AccessRequest,
        done: Callable[[int, int, BaseReason | None], None],
    ) -> None:
        """`access` is the request that became the tunnel, which goes on only while `decider`
        permits it. `done` is called at the end with the number of bytes from the client, the
        number of bytes to it, and the reason if the gateway ended the tunnel."""
        self._client = client
        self._up = upstream
        self._pool = pool
        pool.tunnels += 1
        self._shared = shared
        self._watch = RevocationWatch(decider, access, self._revoked, self._lapsed)
        self._done = done
        self._received = self._sent = 0
        self._closed = False
        self._half: asyncio.Transport | None = None
        """The side that gets nothing more, because the other one sends no more."""
        websocket = access.upgrade == WEBSOCKET.decode()
        self._from_client = Frames(masked=True) if websocket else None
        self._from_upstream = Frames(masked=False) if websocket else None
        self._heard_at = shared.now
        if upstream.blocked:  # by the request that became this tunnel: that is not said again
            client.hold(True)

    def receive(self, data: bytes) -> bytes:
        """Send `data` from the client to the upstream. Nothing is left over."""
        self._heard_at = self._shared.now
        self._received += len(data)
        if self._from_client is not None:
            self._from_client.feed(data)
        self._up.transport.write(data)
        return b""

    def upstream_data(self, data: bytes) -> None:
        """Send `data` from the upstream to the client."""
        self._heard_at = self._shared.now
        self._sent += len(data)
        if self._from_upstream is not None:
            self._from_upstream.feed(data)
        self._client.transport.write(data)

    def client_eof(self) -> None:
        """The client sends no more. The upstream learns that, and may still send."""
        self._half_closed(self._up.transport)

    def upstream_eof(self) -> None:
        """The upstream sends no more. The client learns that, and may still send."""
        self._half_closed(self._client.transport)

    def _half_closed(self, other: asyncio.Transport) -> None:
        if self._half or not other.can_write_eof():  # TLS has no half-closed connections
            self._end(None)
        else:
            self._half = other
            other.write_eof()

    def client_lost(self) -> None:
        """The client is gone."""
        self._end(None)

    def upstream_lost(self, failure: UpstreamFailure) -> None:
        """The upstream is gone. For a tunnel that is an end like any other."""
        self._end(None)

    def client_blocked(self, blocked: bool) -> None:
        """Read from the upstream no faster than the client reads."""
        self._up.hold(blocked)

    def upstream_blocked(self, blocked: bool) -> None:
        """Read from the client no faster than the upstream reads."""
        self._client.hold(blocked)

    def tick(self, now: float) -> None:
        """End a tunnel that has been silent for too long: for less if one side is closed, or if the
        gateway is stopping."""
        self._watch.tick(self._shared.wall)
        timeouts, reason = self._shared.runtime.timeouts, Failure.TUNNEL_IDLE
        most = timeouts.tunnel_idle if self._half is None else timeouts.half_closed
        if self._shared.draining and timeouts.tunnel_drain < most:
            most, reason = timeouts.tunnel_drain, Failure.SHUTTING_DOWN
        if now - self._heard_at >= most and not self._closed:
            self._say_goodbye(self._client.transport, self._from_upstream, reason)
            self._say_goodbye(self._up.transport, self._from_client, reason)
            self._end(reason)

    def settle(self, version: int) -> bool:
        """Decide anew whether it is permitted."""
        return self._closed or self._watch.settle(self._shared.wall, version)

    def fail(self, reason: BaseReason) -> None:
        """End the tunnel at once: it is no longer permitted, or the gateway stops. A side that
        cannot be told why is reset, and so is one that has not read what it was sent."""
        if self._closed:
            return
        client, upstream = self._client.transport, self._up.transport
        for transport, frames in ((client, self._from_upstream), (upstream, self._from_client)):
            unread = transport.get_write_buffer_size()
            if unread or not self._say_goodbye(transport, frames, reason):
                transport.abort()
        self._end(reason)

    def _lapsed(self) -> None:
        self.fail(Failure.STORE)

    def _revoked(self, _deny: Deny) -> None:
        self.fail(Failure.REVOKED)

    def _say_goodbye(
        self, transport: asyncio.Transport, frames: Frames | None, reason: BaseReason
    ) -> bool:
        """End the `frames` that were sent to one side with a close frame, unless there was one
        already. Returns whether they end with one now."""
        if frames is None or not frames.at_end or transport is self._half:
            return False
        if not frames.closed:
            code = CLOSE_CODES.get(reason, GOING_AWAY)
            transport.write(close_frame(code, masked=frames is self._from_client))
        return True

    def _end(self, reason: BaseReason | None) -> None:
        if self._closed:
            return
        self._closed = True
        self._pool.tunnels -= 1
        self._up.finish()
        self._client.exchange_done(keep=False)
        self._done(self._received, self._sent, reason)
