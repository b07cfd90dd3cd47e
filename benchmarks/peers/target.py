"""One of several servers of an API: answers every request with 258 bytes. After SIGUSR1 each answer
takes half a second longer, until SIGUSR2.

Arguments: the port.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import cast

import uvloop

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 258\r\n\r\n" + b"x" * 258
SLOW = 0.5


class Target(asyncio.Protocol):
    """A connection."""

    slow = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        *heads, self._buffer = (self._buffer + data).split(b"\r\n\r\n")
        for _ in heads:
            if Target.slow:
                asyncio.get_running_loop().call_later(SLOW, self._transport.write, ANSWER)
            else:
                self._transport.write(ANSWER)


async def main() -> None:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, setattr, Target, "slow", True)
    loop.add_signal_handler(signal.SIGUSR2, setattr, Target, "slow", False)
    server = await loop.create_server(Target, "127.0.0.1", int(sys.argv[1]), backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
