"""An upstream that keeps every byte, and the framing of messages as the gateway writes it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

Respond = Callable[[bytes], bytes | None]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class RecordingUpstream:
    """An HTTP server that keeps the bytes of each connection, and answers each whole request."""

    respond: Respond = lambda _request: OK
    """The answer to a whole request; None closes the connection without an answer."""
    connections: list[bytearray] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    """Each whole request, in the order in which their last bytes came."""
    port: int = 0
    handle: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]] | None = None
    """Serves a connection in place of all that, where it is not None."""
    came: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once there was a connection."""

    @property
    def seen(self) -> bytes:
        """All bytes that came, on all connections."""
        return b"".join(self.connections)

    def forget(self) -> None:
        """Forget everything that came."""
        self.connections = [bytearray() for _ in self.connections]
        self.requests.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.came.set()
        try:
            if self.handle is not None:
                await self.handle(reader, writer)
            else:
                await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(self.connections)
        self.connections.append(bytearray())
        pending = b""
        while data := await reader.read(65536):
            self.connections[number] += data
            pending += data
            while (end := message_end(pending)) is not None:
                request, pending = pending[:end], pending[end:]
                self.requests.append(request)
                answer = self.respond(request)
                if answer is None:
                    return
                writer.write(answer)
                await writer.drain()


def message_end(data: bytes) -> int | None:
    """Where the first message in `data` ends, None where it is not whole: by the framing fields as
    the gateway writes them."""
    head, blank, body = data.partition(b"\r\n\r\n")
    if not blank:
        return None
    if re.search(rb"(?i)^transfer-encoding: chunked\r?$", head, re.MULTILINE):
        at = 0
        while (line := body.find(b"\r\n", at)) >= 0:
            size = int(body[at:line], 16)
            at = line + 2 + size + 2
            if size == 0:  # a trailer section may follow, which the gateway never sends
                end = at if body[line:at] == b"\r\n\r\n" else body.find(b"\r\n\r\n", line) + 4
                return len(head) + 4 + end if line + 4 <= end <= len(body) else None
        return None
    length = re.search(rb"(?i)^content-length: *(\d+)\r?$", head, re.MULTILINE)
    end = len(head) + 4 + (int(length[1]) if length else 0)
    return end if end <= len(data) else None


def dechunk(data: bytes) -> bytes:
    """The body in chunks that have no extensions (RFC 9112 section 7.1)."""
    body, at = b"", 0
    while True:
        line = data.index(b"\r\n", at)
        size = int(data[at:line], 16)
        if not size:
            return body
        body += data[line + 2 : line + 2 + size]
        at = line + 4 + size
