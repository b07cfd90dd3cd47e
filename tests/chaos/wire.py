"""A relay between a node and PostgreSQL that can hold back, delay, refuse, and lose what it should
not. It reads the messages of the protocol (PostgreSQL documentation, "Message Formats")."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, Literal

from tests.programs import free_port

_NOTIFICATION: Final = b"A"
_COMMIT: Final = b"Q\x00\x00\x00\x0bCOMMIT\x00"


class Wire:
    """The way of one node to the store: a TCP port, and behind it the server's Unix socket."""

    def __init__(self, target: Path) -> None:
        self.port = free_port()
        self.delay = 0.0
        """Seconds for each message, in both directions."""
        self.deaf = False
        """Whether notifications are lost."""
        self.lost = 0
        """How many were."""
        self.refuses = False
        """Whether new connections are closed at once."""
        self.commits: Literal["pass", "lost", "unanswered"] = "pass"
        """What becomes of the next COMMIT, whose connection is cut then: it is lost, or only its
        answer is."""
        self.target = target
        """The server's socket; another one counts for new connections."""
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()

    def hold(self) -> None:
        """From now on nothing comes through, and no connection ends: it is half open."""
        self._open.clear()

    def mend(self) -> None:
        """All is well again; what was held back comes through now."""
        self.delay, self.deaf, self.refuses, self.commits = 0.0, False, False, "pass"
        self._open.set()

    def reset(self) -> None:
        """Cut all connections."""
        for writer in self._writers:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            if not self.refuses:
                await self._open.wait()
                there, back = await asyncio.open_unix_connection(str(self.target))
                await self._both(_Way(self, reader, back), _Way(self, there, writer))
        writer.transport.abort()

    async def _both(self, out: _Way, back: _Way) -> None:
        writers = {out.writer, back.writer}
        self._writers |= writers
        ways = [asyncio.create_task(each) for each in (out.requests(back), back.answers())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._writers -= writers
            for way in ways:
                way.cancel()
            for each in writers:
                each.transport.abort()
            await asyncio.gather(*ways, return_exceptions=True)

    async def passes(self) -> None:
        """Wait as long as a message takes."""
        await self._open.wait()
        if self.delay:
            await asyncio.sleep(self.delay)


class _Way:
    """One direction of a connection."""

    def __init__(
        self, wire: Wire, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.writer = writer
        self.ends = False
        """Whether the next message cuts the connection."""
        self._wire = wire
        self._reader = reader

    async def requests(self, back: _Way) -> None:
        """Pass on what the node sends, until the connection ends or is cut."""
        first = await self._reader.readexactly(4)  # the one message without a type
        await self._send(first + await self._reader.readexactly(int.from_bytes(first) - 4))
        while True:
            message = await self._message()
            if message == _COMMIT and self._wire.commits != "pass":
                lost, self._wire.commits = self._wire.commits == "lost", "pass"
                if lost:
                    return
                back.ends = True
            await self._send(message)

    async def answers(self) -> None:
        """Pass on what the server sends."""
        while True:
            message = await self._message()
            if self.ends:
                return
            if self._wire.deaf and message[:1] == _NOTIFICATION:
                self._wire.lost += 1
            else:
                await self._send(message)

    async def _message(self) -> bytes:
        head = await self._reader.readexactly(5)
        return head + await self._reader.readexactly(int.from_bytes(head[1:]) - 4)

    async def _send(self, message: bytes) -> None:
        await self._wire.passes()
        self.writer.write(message)
        await self.writer.drain()


@asynccontextmanager
async def wire(target: Path) -> AsyncIterator[Wire]:
    """A relay to the Unix socket `target`, while the context lasts."""
    made = Wire(target)
    server = await asyncio.start_server(made.serve, "127.0.0.1", made.port)
    yield made
    server.close()
    made.reset()
