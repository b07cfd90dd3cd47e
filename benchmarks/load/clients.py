"""HTTP clients on uvloop, each with its own requests: as fast as they are answered, or paced.

Told: `port`, `clients` (each: `source`, `requests`), `seconds`, `rate` (requests a second in all;
0: as fast as answered), `warm` (each client sends one request first, and it is waited for), `once`
(each sends one request, and the end is when all are answered).
Tells once all are connected and warm, and again at the end: answers by status, latencies, seconds.
"""

from __future__ import annotations

import asyncio
import gc
import re
import time
from collections import Counter
from typing import Any, cast

import uvloop

from benchmarks.load import client_socket, percentiles, spec, tell, wait

LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)\r\n").search
CONNECTING = 100
"""Clients that connect at once: more would overflow a listener's backlog."""


class Tally:
    """What all clients saw."""

    def __init__(self, *, once: bool) -> None:
        self.statuses: Counter[bytes] = Counter()
        self.latencies: list[float] = []
        self.running = False
        self.once = once


class Client(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, requests: list[bytes], tally: Tally, interval: float) -> None:
        self._requests = requests
        self._tally = tally
        self._interval = interval
        """Seconds between two requests; 0: none."""
        self._next = 0
        self._sent = self._due = 0.0
        self._waiting = False
        self._data = b""
        self._like = (0, b"")
        """Length and first bytes of the answer before: one like it is not read again."""
        self.idle = asyncio.Event()
        self.idle.set()
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._loop = asyncio.get_running_loop()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if self._waiting:
            self._tally.statuses[b"000"] += 1
        self._waiting = False
        self.idle.set()

    def send(self) -> None:
        """Send the next request."""
        if self.lost:
            return
        self.idle.clear()
        self._waiting = True
        self._sent = time.perf_counter()
        if self._interval:
            # One that is late because the answer before was is counted from when it was due.
            late = self._loop.time() - self._due
            self._sent -= late if late > LATE else 0
        request = self._requests[self._next]
        self._next = (self._next + 1) % len(self._requests)
        self._transport.write(request)

    def begin(self, delay: float) -> None:
        """Send for as long as the tally runs."""
        self._due = self._loop.time() + delay
        if self._interval:
            self._loop.call_at(self._due, self._beat)
        else:
            self.send()

    def _beat(self) -> None:
        if self._tally.running and not self._waiting:
            self.send()

    def data_received(self, data: bytes) -> None:
        size, start = self._like
        if self._data or len(data) != size or not data.startswith(start):
            data = self._data = self._data + data
            end = data.find(b"\r\n\r\n")
            if end < 0:
                return
            length = LENGTH(data, 0, end + 2)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(data) < whole:
                return
            self._like = whole, data[:12]
            self._data = b""
        self._answered(data[9:12])

    def _answered(self, status: bytes) -> None:
        self._waiting = False
        tally = self._tally
        if not tally.running:
            self.idle.set()
            return
        tally.statuses[status] += 1
        tally.latencies.append(time.perf_counter() - self._sent)
        if tally.once:
            self.idle.set()
        elif not self._interval:
            self.send()
        else:
            self._due += self._interval
            if self._due <= self._loop.time():
                self.send()
            else:
                self._loop.call_at(self._due, self._beat)


LATE = 0.002
"""Seconds by which uvloop's timers, which count in thousandths, may be late by themselves."""


async def connect(told: dict[str, Any], tally: Tally) -> list[Client]:
    """All clients, connected, in the order that was told."""
    interval = len(told["clients"]) / told["rate"] if told["rate"] else 0.0
    clients = [
        Client([text.encode() for text in each["requests"]], tally, interval)
        for each in told["clients"]
    ]
    places = list(zip(clients, told["clients"], strict=True))
    for start in range(0, len(places), CONNECTING):
        async with asyncio.TaskGroup() as group:
            for client, each in places[start : start + CONNECTING]:
                source = each.get("source", "127.0.0.1")
                group.create_task(_connect(client, told["port"], source))
    return clients


async def _connect(client: Client, port: int, source: str) -> None:
    loop = asyncio.get_running_loop()
    sock = client_socket(source)
    sock.setblocking(False)
    await loop.sock_connect(sock, ("127.0.0.1", port))
    await loop.create_connection(lambda: client, sock=sock)


async def all_idle(clients: list[Client]) -> None:
    """Until all have their answer."""
    for client in clients:
        await client.idle.wait()


async def run(told: dict[str, Any]) -> None:
    loop = asyncio.get_running_loop()
    tally = Tally(once=told.get("once", False))
    clients = await connect(told, tally)
    if told.get("warm"):
        for client in clients:
            client.send()
        await all_idle(clients)
    gc.collect()
    gc.freeze()
    tell(connected=len(clients))
    await asyncio.to_thread(wait)
    began = loop.time()
    tally.running = True
    for number, client in enumerate(clients):
        client.begin(number / told["rate"] if told["rate"] else 0)
    if tally.once:
        await all_idle(clients)
    else:
        await asyncio.sleep(told["seconds"])
    tally.running = False
    seconds = loop.time() - began
    statuses = {status.decode(): count for status, count in sorted(tally.statuses.items())}
    answers = sum(tally.statuses.values())
    tell(seconds=seconds, answers=answers, statuses=statuses, **percentiles(tally.latencies))


if __name__ == "__main__":
    uvloop.run(run(spec()))
