"""Sends one request at a time with a blocking socket, and measures how long each takes.

The task: `port`, and either `request` with `seconds` (the request is repeated on one connection) or
`samples` (each: `source`, `request`, `name`; each is sent on its own connection). Reports the
percentiles, or the microseconds of each sample by name, and the number of answers by status.
"""

from __future__ import annotations

import re
import socket
import time
from collections import Counter, defaultdict
from typing import Any

from benchmarks.load import client_socket, percentiles, read_task, report

LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)\r\n").search


def exchange(client: socket.socket, request: bytes) -> tuple[float, str]:
    """Seconds from sending a request to the end of its answer, and the answer's status."""
    began = time.perf_counter()
    client.sendall(request)
    data = client.recv(65536)
    while (end := data.find(b"\r\n\r\n")) < 0:
        data += _more(client)
    length = LENGTH(data, 0, end + 2)
    whole = end + 4 + (int(length[1]) if length else 0)
    while len(data) < whole:
        data += _more(client)
    return time.perf_counter() - began, data[9:12].decode()


def _more(client: socket.socket) -> bytes:
    data = client.recv(65536)
    if not data:
        raise ConnectionError("closed before the end of the answer")
    return data


def connected(port: int, source: str = "127.0.0.1") -> socket.socket:
    """A socket that is connected from this source address."""
    client = client_socket(source)
    client.settimeout(60)
    client.connect(("127.0.0.1", port))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def again_and_again(task: dict[str, Any]) -> None:
    request = task["request"].encode()
    statuses: Counter[str] = Counter()
    took: list[float] = []
    with connected(task["port"]) as client:
        exchange(client, request)
        end = time.perf_counter() + task["seconds"]
        while time.perf_counter() < end:
            seconds, status = exchange(client, request)
            took.append(seconds)
            statuses[status] += 1
    report(answers=len(took), statuses=statuses, **percentiles(took))


def each_apart(task: dict[str, Any]) -> None:
    took: dict[str, list[float]] = defaultdict(list)
    statuses: dict[str, Counter[str]] = defaultdict(Counter)
    for sample in task["samples"]:
        with connected(task["port"], sample["source"]) as client:
            seconds, status = exchange(client, sample["request"].encode())
        took[sample["name"]].append(seconds * 1e6)
        statuses[sample["name"]][status] += 1
    report(took=took, statuses=statuses)


def main() -> None:
    task = read_task()
    if "samples" in task:
        each_apart(task)
    else:
        again_and_again(task)


if __name__ == "__main__":
    main()
