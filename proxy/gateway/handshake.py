"""Whoever comes to a listener with TLS is counted when it comes, not once it has shown itself.

A server of asyncio's over TLS hears of a connection when its handshake is done, for which there is
a minute: until then nobody would count it, and a crowd that says nothing would hold every file
handle. So connections are accepted as they are, counted, and then put behind TLS.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import cast

# What its own servers use. (Its start_tls would lose what a client says at once.)
from uvloop.loop import SSLProtocol  # type: ignore[attr-defined]

from proxy.http1.outbound import Peer


class TlsHandshake(asyncio.Protocol):
    """A connection until its handshake is done; from then on it is its protocol's."""

    __slots__ = (
        "_admit",
        "_context",
        "_leave",
        "_linger",
        "_make",
        "_opened",
        "_timeout",
        "admitted",
        "peer",
        "transport",
    )

    def __init__(
        self,
        make: Callable[[], asyncio.Protocol],
        context: ssl.SSLContext,
        timeout: float,
        linger: float,
        *,
        admit: Callable[[TlsHandshake], bool],
        leave: Callable[[TlsHandshake], None],
    ) -> None:
        """`make` makes the protocol behind the door. `admit` counts the connection, where there is
        room; `leave` counts it out, before what was made is counted in its own way. A handshake
        has `timeout` seconds, the end of a connection `linger`."""
        self._make = make
        self._context = context
        self._timeout = timeout
        self._linger = linger
        self._admit = admit
        self._leave = leave
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        self.peer = Peer("", "https", False)
        self.admitted = self._opened = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called twice: with the connection as it came, and with the one over TLS in it."""
        if self.admitted:
            self._open(cast("asyncio.Transport", transport))
            return
        self.transport = cast("asyncio.Transport", transport)
        self.admitted = self._admit(self)
        if not self.admitted:
            self.transport.abort()
            return
        shaken = asyncio.get_running_loop().create_future()
        protocol = SSLProtocol(
            asyncio.get_running_loop(),
            self,
            self._context,
            shaken,
            server_side=True,
            ssl_handshake_timeout=self._timeout,
            ssl_shutdown_timeout=self._linger,
        )
        shaken.add_done_callback(self._shaken)
        self.transport.set_protocol(protocol)
        protocol.connection_made(transport)

    def _open(self, transport: asyncio.Transport) -> None:
        self._opened = True
        self._leave(self)
        protocol = self._make()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)

    def _shaken(self, future: asyncio.Future[None]) -> None:
        if not future.cancelled():
            future.exception()  # whatever it was, it is the client's business
        if not self._opened:
            self._leave(self)
            self.transport.abort()

    def tick(self, now: float) -> None:
        """A handshake has a deadline of its own."""
