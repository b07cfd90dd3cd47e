"""WebSockets on uvloop: each sends a message of 100 bytes, and the next when one has come back.

The task: `port`, `head` (of the request that opens one), `sockets`, `seconds`. Reports once all
are open, and again at the end: the number of messages that came back, and seconds.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import uvloop

from benchmarks.load import read_task, report, wait
from benchmarks.load.frames import FROM_CLIENT, TO_CLIENT


class Tally:
    """The messages that all sockets have received."""

    running = False
    messages = 0


class Socket(asyncio.Protocol):
    """One WebSocket."""

    def __init__(self, head: bytes, tally: Tally) -> None:
        self._head = head
        self._tally = tally
        self._data = b""
        self._left = 0
        self.opened = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._head)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(ConnectionError(self._data.decode("latin-1")))

    def send(self) -> None:
        self._transport.write(FROM_CLIENT)

    def data_received(self, data: bytes) -> None:
        if not self.opened.done():
            self._data += data
            if self._data.startswith(b"HTTP/1.1 101 ") and self._data.endswith(b"\r\n\r\n"):
                self.opened.set_result(None)
            return
        messages, self._left = divmod(self._left + len(data), len(TO_CLIENT))
        self._tally.messages += messages
        if messages and self._tally.running:
            self._transport.write(FROM_CLIENT * messages)


async def run(task: dict[str, Any]) -> None:
    loop = asyncio.get_running_loop()
    tally = Tally()
    sockets = []
    for _ in range(task["sockets"]):
        _, one = await loop.create_connection(
            lambda: Socket(task["head"].encode(), tally), "127.0.0.1", task["port"]
        )
        sockets.append(one)
    async with asyncio.timeout(20):
        for one in sockets:
            await one.opened
    report(connected=len(sockets))
    await asyncio.to_thread(wait)
    began = loop.time()
    tally.running = True
    for one in sockets:
        one.send()
    await asyncio.sleep(task["seconds"])
    tally.running = False
    report(seconds=loop.time() - began, messages=tally.messages)


if __name__ == "__main__":
    uvloop.run(run(read_task()))
