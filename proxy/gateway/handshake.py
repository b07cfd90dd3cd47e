"""TLS for connections that are counted as soon as they are accepted, before their handshake.

An asyncio server over TLS calls its protocol factory's `connection_made` only once the handshake is
done, for which it allows a minute. Until then nothing counts the connection, so clients that never
say anything could hold every file handle. Here a connection is accepted without TLS, counted, and
then put behind TLS. (Tested by tests/load/test_handshakes.py, with crowds of clients.)
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import NamedTuple, cast

# What uvloop's own servers use. Its start_tls would lose what a client says at once.
from uvloop.loop import SSLProtocol  # type: ignore[attr-defined]

from proxy.http1.forwarding import Peer


class ServerTls(NamedTuple):
    """How a server speaks TLS."""

    context: ssl.SSLContext
    timeout: float
    """Seconds for a handshake."""
    linger: float
    """Seconds for a client to confirm the end of a connection (close_notify, RFC 8446 6.1)."""


def start_tls(
    transport: asyncio.Transport,
    protocol: asyncio.Protocol,
    tls: ServerTls,
    ended: Callable[[], None],
) -> None:
    """Begin the server's side of a handshake on a connection that was just accepted.

    When the handshake succeeds, `protocol.connection_made` is called with the transport over TLS.
    `ended` is called once the handshake is over, after that or without it where it failed.
    """
    transport.set_protocol(_Silent(transport, protocol, tls, ended))


class _Silent(asyncio.Protocol):
    """A connection before its first byte. It has no TLS yet, whose buffers take 256 KiB: crowds
    that said nothing had the process grow to a gigabyte."""

    __slots__ = ("_ended", "_protocol", "_timer", "_tls", "_transport")

    def __init__(
        self,
        transport: asyncio.Transport,
        protocol: asyncio.Protocol,
        tls: ServerTls,
        ended: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._protocol = protocol
        self._tls = tls
        self._ended = ended
        self._timer = asyncio.get_running_loop().call_later(tls.timeout, transport.abort)

    def data_received(self, data: bytes) -> None:
        self._timer.cancel()
        loop, tls, ended = asyncio.get_running_loop(), self._tls, self._ended
        over = loop.create_future()
        over.add_done_callback(lambda future: _over(future, ended))
        tls_protocol = SSLProtocol(
            loop,
            self._protocol,
            tls.context,
            over,
            server_side=True,
            ssl_handshake_timeout=tls.timeout,
            ssl_shutdown_timeout=tls.linger,
        )
        self._transport.set_protocol(tls_protocol)
        tls_protocol.connection_made(self._transport)
        while data:
            buffer = memoryview(tls_protocol.get_buffer(len(data)))
            size = min(len(buffer), len(data))
            buffer[:size] = data[:size]
            tls_protocol.buffer_updated(size)
            data = data[size:]

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        self._ended()


def _over(future: asyncio.Future[None], ended: Callable[[], None]) -> None:
    if not future.cancelled():
        future.exception()  # A failure is the client's affair: asyncio must not log it as lost.
    ended()


class TlsHandshake(asyncio.Protocol):
    """A connection during its handshake. Afterwards the connection belongs to its own protocol."""

    __slots__ = ("_admit", "_leave", "_make", "_opened", "_tls", "admitted", "peer", "transport")

    def __init__(
        self,
        make: Callable[[], asyncio.Protocol],
        context: ssl.SSLContext,
        timeout: float,
        linger: float,
        *,
        admit: Callable[[TlsHandshake], bool],
        leave: Callable[[TlsHandshake], None],
        source: str = "",
    ) -> None:
        """`make` makes the protocol that takes over after the handshake. `source` is the client's
        address where a PROXY header names it.

        `admit` counts the connection and answers whether it may stay. `leave` ends that count,
        before the protocol from `make` is counted in its own way. `timeout` and `linger` are those
        of `ServerTls`.
        """
        self._make = make
        self._tls = ServerTls(context, timeout, linger)
        self._admit = admit
        self._leave = leave
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        self.peer = Peer(source, "https", False)
        self.admitted = self._opened = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called twice: with the accepted connection, then with the transport over TLS."""
        if self.admitted:
            self._open(cast("asyncio.Transport", transport))
            return
        self.transport = cast("asyncio.Transport", transport)
        self.admitted = self._admit(self)
        if self.admitted:
            start_tls(self.transport, self, self._tls, self._ended)
        else:
            self.transport.abort()

    def _open(self, transport: asyncio.Transport) -> None:
        self._opened = True
        self._leave(self)
        protocol = self._make()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)

    def _ended(self) -> None:
        if not self._opened:
            self._leave(self)
            self.transport.abort()

    def tick(self, now: float) -> None:
        """Nothing to do: a handshake has its own deadline."""

    def settle(self, version: int) -> bool:
        """Nothing to decide: there is no request yet."""
        return True

    def shut_down(self) -> None:
        """End the connection."""
        self.transport.abort()
