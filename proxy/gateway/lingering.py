"""What becomes of a client's connection after a response, while the client is still sending.

To close it at once would reset it, and the client might lose the response that it has not read yet
(RFC 9112 section 9.6). So the gateway reads on for a while, and drops what it reads. A short rest
of a body is read to its end, and the connection is kept; otherwise it ends. Nothing of a body is
ever read as a request. Precedents: nginx (`lingering_close`, and its discarded bodies), Go net/http
(up to 256 KiB of a body that its handler did not read).
"""

from __future__ import annotations

import asyncio
from typing import Final

from proxy.domain.reasons import BaseReason
from proxy.gateway.interfaces import Client, Shared
from proxy.http1.body import RequestBody
from proxy.http1.faults import Malformed

MAX_REST: Final = 64 * 1024
"""Bytes of a body that are read for nothing but to keep the connection."""
MAX_DROPPED: Final = 64 * 1024 * 1024
"""Bytes that are read from a client whose connection ends. Then it is not read any more, and the
client has `lingering_timeout` to read its response. nginx has no such limit."""


class _Lingering:
    """What both have in common: parts of `interfaces.RequestHandler`."""

    wants_body = True
    course = None

    def __init__(self, client: Client, shared: Shared) -> None:
        self._client = client
        self._shared = shared
        self._begun = self._moved_at = shared.now

    def fail(self, reason: BaseReason) -> None:
        """The response is written already: only the connection is left to end."""
        self._client.transport.abort()

    def client_lost(self) -> None:
        """The client is gone."""
        self.wants_body = False

    def client_blocked(self, blocked: bool) -> None:
        """The client has stopped reading its response, or reads on."""

    def settle(self, version: int) -> bool:
        """Nothing to decide: the response is written."""
        return True

    def _late(self, now: float, *, sent: bool = False) -> bool:
        """Whether it has taken too long; sooner if the client has `sent` everything, or if the
        gateway is stopping."""
        timeouts = self._shared.runtime.timeouts
        if sent or self._shared.draining:
            return now - self._begun >= timeouts.linger
        silent = now - self._moved_at >= timeouts.lingering_timeout
        return silent or now - self._begun >= timeouts.lingering_time


class RestOfBody(_Lingering):
    """Reads the short rest of a body; then the client's next request may follow."""

    left: int | None = None

    def __init__(self, client: Client, shared: Shared, body: RequestBody) -> None:
        super().__init__(client, shared)
        self._body = body
        self._room = MAX_REST
        client.hold(False)  # for an upstream that has ended

    def receive(self, data: bytes) -> bytes:
        """Drop the part of the body in `data`, and return the rest. The connection ends if the body
        is malformed, or in chunks that are longer than expected."""
        self._moved_at = self._shared.now
        try:
            _, rest = self._body.take(data)
        except Malformed:
            self._client.exchange_done(keep=False)
            return b""
        self._room -= len(data) - len(rest)
        if self._room < 0:
            self._client.exchange_done(keep=False)
            return b""
        if self._body.finished:
            self.wants_body = False
            self.left = 0
            asyncio.get_running_loop().call_soon(self._finish)  # once the rest is kept
        return rest

    def _finish(self) -> None:
        self._client.exchange_done(keep=True)

    def client_eof(self) -> None:
        """The client sends no more, not even the rest."""
        if self.wants_body:
            self.left = 0
            self._client.exchange_done(keep=False)

    def tick(self, now: float) -> None:
        """End the connection if the rest does not come in time."""
        if self.wants_body and self._late(now):
            self.left = 0
            self._client.exchange_done(keep=False)


class LingeringClose(_Lingering):
    """Ends a connection: it closes the gateway's side, and reads until the client closes its own,
    within limits of time and bytes. TLS cannot close one side only: there, the connection closes
    once the client has sent its body."""

    def __init__(self, client: Client, shared: Shared, left: int | None, *, eof: bool) -> None:
        """`left`: how many bytes of a body the client is about to send, None where that is unknown.
        `eof`: whether the client has closed its side."""
        super().__init__(client, shared)
        self.left = left
        self._room = MAX_DROPPED
        self._unread = False
        self._read_at = shared.now
        transport = client.transport
        if transport.is_closing():
            return
        if transport.can_write_eof() and not eof:
            transport.write_eof()
        elif eof or left == 0:
            transport.close()

    def receive(self, data: bytes) -> bytes:
        """Drop `data`."""
        self._moved_at = self._shared.now
        self._room -= len(data)
        if self._room < 0:
            self._client.hold(True)
        elif self.left:
            self.left = max(0, self.left - len(data))
            if not self.left:
                self._sent_all()
        return b""

    def _sent_all(self) -> None:
        self._begun = self._shared.now
        if not self._client.transport.can_write_eof():
            self._client.transport.close()

    def client_eof(self) -> None:
        """The client sends no more."""
        self._client.transport.close()

    def client_blocked(self, blocked: bool) -> None:
        """Note that the client reads its response."""
        self._read_at = self._shared.now

    def tick(self, now: float) -> None:
        """Give the client time to read its response, then to close."""
        transport = self._client.transport
        if transport.get_write_buffer_size():
            self._unread = True
            if now - self._read_at >= self._shared.runtime.timeouts.stalled_reader:
                transport.abort()
        elif self._unread:
            self._unread = False
            self._begun = self._moved_at = now
        elif self._late(now, sent=self.left == 0):
            transport.abort() if transport.is_closing() else transport.close()
