"""Loads that wrk cannot send. Each is a program: it reads its task from standard input as one line
of JSON, and prints what it measured as lines of JSON.

A load reads as little of an answer as it can, so that the server is the bottleneck and not the
load. Each row says how busy the load's core was.
"""

from __future__ import annotations

import json
import resource
import socket
import sys
from typing import Any


def read_task() -> dict[str, Any]:
    """The task, from standard input. Also raises this process's limit of file handles."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    task: dict[str, Any] = json.loads(sys.stdin.readline())
    return task


def report(**what: Any) -> None:
    """Print one message for the measuring process."""
    print(json.dumps(what), flush=True)


def wait() -> None:
    """Wait until the measuring process says to go on."""
    sys.stdin.readline()


def client_socket(source: str) -> socket.socket:
    """A socket that is bound to this source address and not connected yet."""
    client = socket.socket()
    # Choose the port at connect() and not at bind(), which would search for one that no other
    # connection of this address uses.
    client.setsockopt(socket.IPPROTO_IP, socket.IP_BIND_ADDRESS_NO_PORT, 1)
    client.bind((source, 0))
    return client


def percentiles(seconds: list[float]) -> dict[str, float]:
    """The median, 99th and 99.9th percentile of durations, in microseconds."""
    ordered = sorted(seconds) or [0.0]

    def at(share: float) -> float:
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1e6

    return {"p50_us": at(0.5), "p99_us": at(0.99), "p999_us": at(0.999)}
