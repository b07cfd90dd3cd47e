"""A crowd of clients, and another client that must be served at the same time."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from http.client import HTTPResponse
from itertools import count
from pathlib import Path

from tests.harness import World, status
from tests.patience import PATIENCE

CROWD = "127.0.0.2"
"""The address of the crowd; all of 127.0.0.0/8 is this machine."""


def attribute(pid: int, name: str) -> int:
    """A number in /proc/PID/status, such as VmRSS in KiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def handles(pid: int) -> int:
    """The number of open file descriptors of a process."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def has_connections_to(port: int) -> bool:
    """Whether any process on this machine is connected to a port."""
    _, *lines = Path("/proc/net/tcp").read_text().splitlines()
    established = "01"
    return any(line.split()[2:4] == [f"0100007F:{port:04X}", established] for line in lines)


def next_handle(pid: int) -> int:
    """The file descriptor that a process would get next."""
    taken = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
    return next(number for number in count() if number not in taken)


def cpu(pid: int) -> float:
    """Seconds of CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def connect(port: int, source: str = CROWD) -> socket.socket:
    """A connection to `port` from an address."""
    return socket.create_connection(("127.0.0.1", port), PATIENCE, (source, 0))


def exchange(client: socket.socket, raw: bytes) -> int:
    """Send a request, read the whole answer, and return its status."""
    client.sendall(raw)
    answer = HTTPResponse(client)
    answer.begin()
    answer.read()
    return answer.status


@contextmanager
def crowd(port: int, size: int, source: str = CROWD) -> Iterator[list[socket.socket]]:
    """`size` connections, held until the context ends."""
    with ExitStack() as held:
        yield [held.enter_context(connect(port, source)) for _ in range(size)]


def is_closed(client: socket.socket) -> bool:
    """Whether the gateway has closed a connection. What it sent before is read and dropped."""
    client.setblocking(False)
    try:
        while client.recv(65536):
            pass
    except BlockingIOError:
        return False
    except ConnectionError:
        pass
    return True


def until(holds: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait until `holds()` is true, by asking again and again. Raises `TimeoutError`."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.02)


async def ask(world: World, raw: bytes | None = None, source: str = "127.0.0.99") -> bytes:
    """The answer to a request of another source."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port, local_addr=(source, 0))
    writer.write(raw or world.request())
    answer = await asyncio.wait_for(reader.read(), PATIENCE)
    writer.close()
    return answer


@asynccontextmanager
async def others_are_served(world: World) -> AsyncIterator[None]:
    """Another source sends requests while the context lasts, and must get 200 each time."""
    over = asyncio.Event()

    async def go_on() -> int:
        answered = 0
        while not (over.is_set() and answered):
            assert status(await ask(world)) == 200
            answered += 1
            await asyncio.sleep(0.01)
        return answered

    asking = asyncio.ensure_future(go_on())
    try:
        yield
    finally:
        over.set()
        assert await asking
