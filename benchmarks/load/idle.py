"""Connections that send one request each and then nothing, kept open until told to go on.

Told: `port`, `request`, `connections`. Tells the answers by status once all have theirs.
"""

from __future__ import annotations

import socket
from collections import Counter

from benchmarks.load import spec, tell, wait
from benchmarks.load.one_by_one import connected, exchange


def main() -> None:
    told = spec()
    request = told["request"].encode()
    statuses: Counter[str] = Counter()
    kept: list[socket.socket] = []
    for _ in range(told["connections"]):
        client = connected(told["port"])
        kept.append(client)
        statuses[exchange(client, request)[1]] += 1
    tell(statuses=statuses)
    wait()


if __name__ == "__main__":
    main()
