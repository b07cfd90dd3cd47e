"""Opens connections, sends one request on each, and then keeps them open and idle.

The task: `port`, `request`, `connections`. Reports the number of answers by status once all are
answered, and ends when the measuring process says so.
"""

from __future__ import annotations

import socket
from collections import Counter

from benchmarks.load import read_task, report, wait
from benchmarks.load.one_by_one import connected, exchange


def main() -> None:
    task = read_task()
    request = task["request"].encode()
    statuses: Counter[str] = Counter()
    kept: list[socket.socket] = []
    for _ in range(task["connections"]):
        client = connected(task["port"])
        kept.append(client)
        statuses[exchange(client, request)[1]] += 1
    report(statuses=statuses)
    wait()


if __name__ == "__main__":
    main()
