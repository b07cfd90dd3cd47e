"""An upstream on uvloop that discards uploads and echoes WebSocket messages.

It knows the length of the load's messages and parses none of them, so that it is never the
bottleneck.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import sys
from typing import cast

import uvloop

from benchmarks.load.frames import FROM_CLIENT, TO_CLIENT

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)\r\n").search
CHUNKED = re.compile(rb"(?i)\r\ntransfer-encoding: *chunked\r\n").search
WEBSOCKET_KEY = re.compile(rb"(?i)\r\nsec-websocket-key: *(\S+)\r\n").search
LAST_CHUNK = b"0\r\n\r\n"


class Sink(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._read = self._head
        self._left = 0
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._read(data)

    def _head(self, data: bytes) -> None:
        self._data += data
        head, blank, rest = self._data.partition(b"\r\n\r\n")
        if not blank:
            return
        head, self._data = head + b"\r\n", b""
        if key := WEBSOCKET_KEY(head):
            self.transport.write(accept(key[1]))
            self._read = self._echo
        elif CHUNKED(head):
            self._read = self._chunks
        else:
            length = LENGTH(head)
            self._left = int(length[1]) if length else 0
            self._read = self._body
            if not self._left:
                self._end()
        if rest:
            self._read(rest)

    def _body(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left <= 0:
            self._end()

    def _chunks(self, data: bytes) -> None:
        # The load's bodies consist of NUL bytes, so nothing in them looks like the last chunk.
        self._data = (self._data + data[-len(LAST_CHUNK) :])[-len(LAST_CHUNK) :]
        if self._data == LAST_CHUNK:
            self._data = b""
            self._end()

    def _end(self) -> None:
        self._read = self._head
        self.transport.write(OK)

    def _echo(self, data: bytes) -> None:
        self._left += len(data)
        messages, self._left = divmod(self._left, len(FROM_CLIENT))
        if messages:
            self.transport.write(TO_CLIENT * messages)


def accept(key: bytes) -> bytes:
    """The answer that opens a WebSocket (RFC 6455 section 4.2.2)."""
    digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %b\r\n\r\n" % base64.b64encode(digest)
    )


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
