"""What is read of each node every few seconds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from benchmarks.load import percentiles
from benchmarks.machine import family
from tests.soak.place import Node

ENTRIES: Final = ("wardgate_cache_entries{", "wardgate_limits_in_use{")
REMEMBERED: Final = ('cache="verified"', 'cache="refused"')
"""Not counted: credentials stay, up to a number of them, although their keys were deleted."""
Values = dict[str, float]


def of_processes(node: Node) -> Values:
    """What the kernel says of a node: its memory in MB, its open handles and its threads; of all
    its processes together, and the memory of each."""
    values = {"memory": 0.0, "handles": 0.0, "threads": 0.0}
    for number, pid in enumerate(sorted(family(node.pid))):
        one = memory_of(pid) / 1e6
        values[f"memory of process {number}"] = one
        values["memory"] += one
        values["handles"] += len(os.listdir(f"/proc/{pid}/fd"))
        values["threads"] += len(os.listdir(f"/proc/{pid}/task"))
    return values


def memory_of(pid: int) -> int:
    """Bytes that one process has written: each page that it shares with those that were forked of
    it counts in proportion, and files in memory, such as libraries, do not count, because their
    share depends on who else on the machine uses them."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss_Anon:"))


def entries(metrics: str) -> float:
    """How many records, rates and quotas a node has in memory, by its metrics."""
    return sum(
        float(line.rpartition(" ")[2])
        for line in metrics.splitlines()
        if line.startswith(ENTRIES) and not any(each in line for each in REMEMBERED)
    )


def of_latency(seconds: list[float]) -> Values:
    """The median and the 99th percentile, in milliseconds."""
    found = percentiles(seconds)
    return {"p50": found["p50_us"] / 1000, "p99": found["p99_us"] / 1000}
