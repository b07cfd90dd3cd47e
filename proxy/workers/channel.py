"""Messages between the keeper and one worker, over a Unix socket: JSON, each with its length before
it.

The rule that lives here: a worker faces the network, so nothing that it sends can be more than
data. Whoever sends something else is disconnected.

Tested in `tests/proxy/workers/test_channel.py`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import struct
from collections.abc import Callable
from typing import Any, Final, TypeAlias, cast

log = logging.getLogger("wardgate")

Message: TypeAlias = list[Any]
"""Its kind, and the values that this kind has."""

MOST: Final = 1 << 24
"""Bytes of one message, and of those that wait for a process that does not read them."""
_LENGTH: Final = struct.Struct("!I")
_CREDENTIALS: Final = struct.Struct("3i")
"""Process, user and group (unix(7), SO_PEERCRED)."""


class Channel(asyncio.Protocol):
    """One end of a connection."""

    def __init__(
        self,
        receive: Callable[[Channel, Message], None],
        opened: Callable[[Channel], None],
        closed: Callable[[Channel], None],
    ) -> None:
        """`receive` is called for each message, in their order. What it raises ends the
        connection."""
        self._receive = receive
        self._opened = opened
        self._closed = closed
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def send(self, *message: Any) -> None:
        """Send a message. Without a connection it is lost: `closed` tells, or has told, that."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        data = json.dumps(message, separators=(",", ":")).encode()
        transport.write(_LENGTH.pack(len(data)) + data)
        if transport.get_write_buffer_size() > MOST:
            log.error("a process does not read what it is told: it is disconnected")
            transport.abort()

    def close(self) -> None:
        """End the connection, after what was sent."""
        if self._transport is not None:
            self._transport.close()

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, unless the other end belongs to somebody else."""
        self._transport = transport = cast(asyncio.Transport, transport)
        if _user_of(transport.get_extra_info("socket")) != os.getuid():
            transport.abort()
        else:
            self._opened(self)

    def data_received(self, data: bytes) -> None:
        """Receive what is complete."""
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size and self.is_open:
            (length,) = _LENGTH.unpack_from(self._buffer)
            end = _LENGTH.size + length
            if length <= MOST and len(self._buffer) < end:
                return
            frame = bytes(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            self._take(frame)

    def _take(self, frame: bytes) -> None:
        try:
            if len(frame) > MOST:
                raise ValueError("a message is too long")
            message = json.loads(frame)
            if not isinstance(message, list):
                raise ValueError("a message is no list")
            self._receive(self, message)
        except Exception:  # whatever it is: the other end does not speak as this one does
            log.exception("a process sends what it should not: it is disconnected")
            if self._transport is not None:
                self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell that it is over."""
        self._transport = None
        self._closed(self)


def _user_of(sock: Any) -> int:
    """The user of the process at the other end."""
    with socket.fromfd(sock.fileno(), socket.AF_UNIX, socket.SOCK_STREAM) as copy:
        credentials = copy.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    user: int = _CREDENTIALS.unpack(credentials)[1]
    return user
