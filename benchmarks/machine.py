"""What the machine says: CPU time and memory of processes, how busy cores are, and what it is.

CPU time is user + system of a process with all its threads, those that ended too, by the kernel's
own clock for that process: in nanoseconds where /proc/PID/stat has hundredths of a second.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")


def cores() -> tuple[int, int]:
    """The core of the servers and that of the load and the upstreams; the same if there is one."""
    mine = sorted(os.sched_getaffinity(0))
    return mine[0], mine[1 % len(mine)]


SERVER_CORE, LOAD_CORE = cores()


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue  # it has ended
            children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


def cpu_seconds(pid: int) -> float:
    """User + system time of a process and its descendants."""
    total = 0.0
    for each in family(pid):
        try:
            total += time.clock_gettime((~each << 3) | 2)  # CPUCLOCK_SCHED of that process
        except OSError:
            continue  # it has ended
    return total + _reaped(pid)


def _reaped(pid: int) -> float:
    """The time of children that ended and were waited for."""
    fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / TICKS


def memory(pid: int) -> int:
    """Bytes that a process and its descendants hold; shared ones are shared out (PSS)."""
    return sum(_kilobytes(each, "smaps_rollup", "Pss:") for each in family(pid)) * 1024


def peak_memory(pid: int) -> int:
    """The most bytes that a process ever held."""
    return _kilobytes(pid, "status", "VmHWM:") * 1024


def _kilobytes(pid: int, file: str, name: str) -> int:
    for line in (PROC / str(pid) / file).read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    raise LookupError(f"{name} is not in /proc/{pid}/{file}")


def busy_seconds(core: int) -> float:
    """How long a core has worked since the machine started, for whomever."""
    for line in (PROC / "stat").read_text().splitlines():
        name, *fields = line.split()
        if name == f"cpu{core}":
            idle, waiting = int(fields[3]), int(fields[4])
            return (sum(map(int, fields[:8])) - idle - waiting) / TICKS
    raise LookupError(f"cpu{core} is not in /proc/stat")


def describe() -> dict[str, Any]:
    """The machine, for those who compare."""
    model = next(
        line.partition(":")[2].strip()
        for line in [*(PROC / "cpuinfo").read_text().splitlines(), "model name:unknown"]
        if line.startswith("model name")
    )
    memory_kb = int((PROC / "meminfo").read_text().split()[1])
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gb": round(memory_kb / 1024**2, 1),
        "kernel": f"{platform.system()} {platform.release()}",
        "load_before": round(os.getloadavg()[0], 2),
    }


class Meter:
    """What a server and both cores did while the context lasted."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.seconds = self.cpu = self.server_core = self.load_core = 0.0

    def __enter__(self) -> Meter:
        self._before = list(self._read())
        return self

    def __exit__(self, *_: object) -> None:
        took = [after - before for after, before in zip(self._read(), self._before, strict=True)]
        self.seconds, self.cpu, server, load = took
        self.server_core, self.load_core = server / self.seconds, load / self.seconds

    def _read(self) -> Iterator[float]:
        yield time.monotonic()
        yield cpu_seconds(self._pid)
        yield busy_seconds(SERVER_CORE)
        yield busy_seconds(LOAD_CORE)

    @property
    def cores(self) -> dict[str, float]:
        """How busy both were, in percent: whether it was the server that was waited for; and what
        of the server's core was not the server's."""
        return {
            "server_core": 100 * self.server_core,
            "load_core": 100 * self.load_core,
            "others": max(0.0, 100 * (self.server_core - self.cpu / self.seconds)),
        }
