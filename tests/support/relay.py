"""A relay in front of a Unix socket: what crosses it can be held back, as in a network that drops
every packet and tells nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path


class Relay:
    """Passes bytes on while it is open; a connection that is held back is never closed."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._open = asyncio.Event()
        self._open.set()
        self._tasks: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        """From now on nothing comes through, in either direction."""
        self._open.clear()

    def mend(self) -> None:
        """What was held back comes through now, and all else."""
        self._open.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        await self._open.wait()
        there, back = await asyncio.open_unix_connection(str(self._target))
        ways = self._pass(reader, back), self._pass(there, writer)
        with suppress(OSError):
            await asyncio.gather(*ways)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()


@asynccontextmanager
async def relay(target: Path, folder: Path) -> AsyncIterator[Relay]:
    """A relay to the socket `target`, at a socket of the same name in `folder`."""
    made = Relay(target)
    server = await asyncio.start_unix_server(made.serve, str(folder / target.name))
    yield made
    server.close()
