"""HTTP clients on uvloop, each with its own requests, at full speed or at a fixed rate.

The task: `port`, `clients` (each: `source`, `requests`), `seconds`, `rate` (requests a second of
all clients together; 0: each client sends as soon as it has its answer), `warm` (each client first
sends one request that is not counted), `once` (each client sends one request; the load ends when
all are answered). Reports once all clients are connected and warm, and again at the end: the number
of answers by status, the percentiles of latency, and seconds.
"""

from __future__ import annotations

import asyncio
import gc
import re
import time
from collections import Counter
from typing import Any, cast

import uvloop

from benchmarks.load import client_socket, percentiles, read_task, report, wait

LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)\r\n").search
CONNECTING = 100
"""How many clients connect at once: more would overflow a listener's backlog."""


class Tally:
    """The answers that all clients have received."""

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
        """Seconds between two requests; 0: the next follows as soon as one is answered."""
        self._next = 0
        self._sent = self._due = 0.0
        self._waiting = False
        self._data = b""
        self._like = (0, b"")
        """Length and first bytes of the last answer: an answer that has both is not parsed."""
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
            # If a late answer delayed this request, its latency counts from when it was due.
            late = self._loop.time() - self._due
            self._sent -= late if late > LATE else 0
        request = self._requests[self._next]
        self._next = (self._next + 1) % len(self._requests)
        self._transport.write(request)

    def begin(self, delay: float) -> None:
        """Send requests, from `delay` seconds on, for as long as the tally runs."""
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
"""Seconds by which uvloop's timers may be late without a cause: they count in milliseconds."""


async def connect(task: dict[str, Any], tally: Tally) -> list[Client]:
    """All clients of the task, in its order, each connected."""
    interval = len(task["clients"]) / task["rate"] if task["rate"] else 0.0
    clients = [
        Client([text.encode() for text in each["requests"]], tally, interval)
        for each in task["clients"]
    ]
    places = list(zip(clients, task["clients"], strict=True))
    for start in range(0, len(places), CONNECTING):
        async with asyncio.TaskGroup() as group:
            for client, each in places[start : start + CONNECTING]:
                source = each.get("source", "127.0.0.1")
                group.create_task(_connect(client, task["port"], source))
    return clients


async def _connect(client: Client, port: int, source: str) -> None:
    loop = asyncio.get_running_loop()
    sock = client_socket(source)
    sock.setblocking(False)
    await loop.sock_connect(sock, ("127.0.0.1", port))
    await loop.create_connection(lambda: client, sock=sock)


async def all_idle(clients: list[Client]) -> None:
    """Wait until every client has its answer."""
    for client in clients:
        await client.idle.wait()


async def run(task: dict[str, Any]) -> None:
    loop = asyncio.get_running_loop()
    tally = Tally(once=task.get("once", False))
    clients = await connect(task, tally)
    if task.get("warm"):
        for client in clients:
            client.send()
        await all_idle(clients)
    gc.collect()
    gc.freeze()
    report(connected=len(clients))
    await asyncio.to_thread(wait)
    began = loop.time()
    tally.running = True
    for number, client in enumerate(clients):
        client.begin(number / task["rate"] if task["rate"] else 0)
    if tally.once:
        await all_idle(clients)
    else:
        await asyncio.sleep(task["seconds"])
    tally.running = False
    seconds = loop.time() - began
    statuses = {status.decode(): count for status, count in sorted(tally.statuses.items())}
    answers = sum(tally.statuses.values())
    report(seconds=seconds, answers=answers, statuses=statuses, **percentiles(tally.latencies))


if __name__ == "__main__":
    uvloop.run(run(read_task()))
