"""What wrk cannot send, as programs of their own: each reads one line of JSON and answers in one.

They read of an answer what they must and no more, so that the server is what is waited for; each
row says how busy the load's core was.
"""

from __future__ import annotations

import json
import resource
import socket
import sys
from typing import Any


def spec() -> dict[str, Any]:
    """What to do, from standard input. Takes as many file handles as there are."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    told: dict[str, Any] = json.loads(sys.stdin.readline())
    return told


def tell(**what: Any) -> None:
    """Say what was seen."""
    print(json.dumps(what), flush=True)


def wait() -> None:
    """Until told to go on."""
    sys.stdin.readline()


def client_socket(source: str) -> socket.socket:
    """A socket that will connect from this address."""
    client = socket.socket()
    # The port is chosen as it connects: at binding, one is searched for that nobody uses at all.
    client.setsockopt(socket.IPPROTO_IP, socket.IP_BIND_ADDRESS_NO_PORT, 1)
    client.bind((source, 0))
    return client


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Median, 99th and 99.9th percentile of some durations, in microseconds."""
    ordered = sorted(seconds) or [0.0]

    def at(share: float) -> float:
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1e6

    return {"p50_us": at(0.5), "p99_us": at(0.99), "p999_us": at(0.999)}
