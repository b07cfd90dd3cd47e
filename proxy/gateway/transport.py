"""What both sides of the gateway do with a transport: stop reading, resume, and close with RST."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from proxy.http1.forwarding import LOCAL

# Why a connection is not read.
PEER: Final = 1
"""The other side of the exchange accepts no more."""
AHEAD: Final = 2
"""The client is too far ahead of its responses."""
_TURN: Final = 4

_QUICKACK: Final[int | None] = getattr(socket, "TCP_QUICKACK", None)  # Linux alone has it


class ReadControl:
    """Decides when a connection is read: while no reason holds it, and a bounded amount in a
    turn."""

    __slots__ = ("_beneath", "_go_on", "_scheduled", "_transport", "holds", "waiting")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._beneath: asyncio.Transport | None = None
        self.holds = 0
        """The reasons why it is not read now, as bits (`PEER`, `AHEAD`)."""
        self._go_on: Callable[[], None] | None = None
        self._scheduled = False
        self.waiting = False
        """Whether the connection waits for its next turn."""

    def over_tls(self, transport: asyncio.Transport, beneath: asyncio.Transport) -> None:
        """From now on read `transport`, which is TLS over `beneath`. While the one is held, the
        other is not read either: its end would arrive before the bytes that are not decrypted yet,
        and these would be lost."""
        self._transport, self._beneath = transport, beneath

    def hold(self, why: int, held: bool) -> None:
        """Hold the connection for a reason (`PEER`, `AHEAD`), or end that reason."""
        before = self.holds
        self.holds = holds = before | why if held else before & ~why
        if (not before) != (not holds) and not self._transport.is_closing():
            self._pause() if holds else self._resume()
        if self.waiting and not holds & PEER:
            self._schedule()

    def wait_a_turn(self, go_on: Callable[[], None]) -> None:
        """Stop reading until the other connections have had their turn, then call `go_on`; not
        before the other side of the exchange accepts more."""
        if not self.waiting:
            self.waiting = True
            self._go_on = go_on
            self.hold(_TURN, True)

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._take_turn)

    def _take_turn(self) -> None:
        self._scheduled = False
        go_on = self._go_on
        if go_on is None or self.holds & PEER:
            return  # the end of the hold will schedule the turn
        self.waiting = False
        self._go_on = None
        try:
            go_on()
        finally:
            if not self.waiting:
                self.hold(_TURN, False)

    def _pause(self) -> None:
        self._transport.pause_reading()
        if self._beneath is not None:
            self._beneath.pause_reading()

    def _resume(self) -> None:
        if self._beneath is not None:
            self._beneath.resume_reading()
        self._transport.resume_reading()


def address_of(transport: asyncio.BaseTransport) -> str:
    """The address at the other end of a connection: an IP address, or `LOCAL`."""
    name = transport.get_extra_info("peername")
    # An IPv4 client of a listener on [::] has the same address as on any other listener.
    return name[0].removeprefix("::ffff:") if isinstance(name, tuple) else LOCAL


def acknowledge(transport: asyncio.Transport) -> None:
    """Acknowledge at once what has arrived, where the system can be told to.

    A peer with Nagle's algorithm sends the next short piece of its message only once the one before
    is acknowledged, which the system delays by up to 40 ms (RFC 9293 section 3.8.6.3). Python's
    http.server, for one, sends head and body in two pieces. Without this its answers take 44 ms,
    with it 0.2. The option does not last (tcp(7)).
    """
    if _QUICKACK is None or transport.is_closing():
        return
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)


def reset(transport: asyncio.Transport) -> None:
    """Close with RST. The peer sees that the message was cut off, even where the end of the
    connection ends the body; and the side that closes first keeps no port for a minute
    (TIME_WAIT)."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def unread(transport: asyncio.Transport, most: int) -> bytes:
    """What has arrived on a connection that is lost because a write to it failed, up to `most`
    bytes: the peer may have answered before it closed, and the event loop reads no more. To be
    called by `connection_lost`, while the socket is still open; empty over TLS."""
    sock = transport.get_extra_info("socket")
    received = b""
    if sock is None or transport.get_extra_info("ssl_object") is not None:
        return received
    with suppress(OSError):
        while len(received) < most and (data := os.read(sock.fileno(), most - len(received))):
            received += data
    return received
