"""What asyncio has no word for."""

from __future__ import annotations

import asyncio
import socket
import struct


def reset(transport: asyncio.Transport) -> None:
    """Close with RST: what was cut off is seen to be, even where the connection's end is the
    body's, and no port is kept for a minute (TIME_WAIT) on the side that closes first."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
