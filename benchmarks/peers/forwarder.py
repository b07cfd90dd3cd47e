"""A server on uvloop that forwards bytes between a client and an upstream, and reads none of them.

Its CPU time is that of the event loop and the kernel: no gateway in Python on uvloop takes less.
"""

from __future__ import annotations

import asyncio
import functools
import sys
from typing import cast

import uvloop


class End(asyncio.Protocol):
    """One connection. What it receives goes to its `peer`."""

    peer: asyncio.Transport

    def data_received(self, data: bytes) -> None:
        self.peer.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.peer.close()


class ClientEnd(asyncio.Protocol):
    """The connection of a client, which is given an upstream's when it has sent something."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._received: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received.append(data)
        if len(self._received) == 1:
            self._task = asyncio.ensure_future(self._connect())

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        upstream, protocol = await loop.create_connection(End, "127.0.0.1", self._port)
        protocol.peer = self._transport
        upstream.writelines(self._received)
        client = End()
        client.peer = upstream
        self._transport.set_protocol(client)


async def serve(port: int, upstream: int) -> None:
    make = functools.partial(ClientEnd, upstream)
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))
