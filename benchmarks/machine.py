"""Readings from the kernel: CPU time and memory of processes, load of cores, and the machine.

CPU time is the user and system time of a process with all its threads, including those that have
ended. It is read from the kernel's clock for that process, which counts nanoseconds, and not from
/proc/PID/stat, which counts hundredths of a second.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")


def cores() -> tuple[int, int]:
    """The core for the servers, and the core for the load and the upstreams; one may be both."""
    mine = sorted(os.sched_getaffinity(0))
    return mine[0], mine[1 % len(mine)]


SERVER_CORE, LOAD_CORE = cores()
BOTH_CORES = f"{SERVER_CORE},{LOAD_CORE}"


def family(pid: int) -> list[int]:
    """The ids of a process and of all its descendants."""
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
    """User and system time of a process and its descendants, in seconds."""
    return sum(cpu_of_each(pid).values()) + _reaped(pid)


def cpu_of_each(pid: int) -> dict[int, float]:
    """The same of those that have not ended, by their ids."""
    found = {}
    for each in family(pid):
        with suppress(OSError):  # it has ended
            found[each] = time.clock_gettime((~each << 3) | 2)  # CPUCLOCK_SCHED of that process
    return found


def _reaped(pid: int) -> float:
    """The CPU seconds of children that have ended and were waited for."""
    fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / TICKS


def memory(pid: int) -> int:
    """Bytes of memory of a process and its descendants, each shared page in proportion (PSS)."""
    return sum(_kilobytes(each, "smaps_rollup", "Pss:") for each in family(pid)) * 1024


def peak_memory(pid: int) -> int:
    """The most bytes of memory that a process has had at once."""
    return _kilobytes(pid, "status", "VmHWM:") * 1024


def _kilobytes(pid: int, file: str, name: str) -> int:
    for line in (PROC / str(pid) / file).read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    raise LookupError(f"{name} is not in /proc/{pid}/{file}")


def busy_seconds(core: int) -> float:
    """Seconds that a core has worked since the machine started, for any process."""
    for line in (PROC / "stat").read_text().splitlines():
        name, *fields = line.split()
        if name == f"cpu{core}":
            idle, waiting = int(fields[3]), int(fields[4])
            return (sum(map(int, fields[:8])) - idle - waiting) / TICKS
    raise LookupError(f"cpu{core} is not in /proc/stat")


def describe() -> dict[str, Any]:
    """The machine, so that results of different machines are not compared."""
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
    """CPU seconds of a server, and the load of both cores, while the context lasts."""

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
        """How busy both cores were, which shows whether the server was the bottleneck, and how much
        of the server's core other processes used; in percent."""
        return {
            "server_core": 100 * self.server_core,
            "load_core": 100 * self.load_core,
            "others": max(0.0, 100 * (self.server_core - self.cpu / self.seconds)),
        }
