"""A server on uvloop that parses nothing and answers 401 to everything.

Its CPU time is that of the event loop and the kernel, so no gateway on uvloop can refuse faster.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop

from proxy.http1.error_response import refusal

NO = refusal(401, b"0" * 36, b"Thu, 01 Jan 1970 00:00:00 GMT")


class Deaf(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(NO)


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Deaf, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
