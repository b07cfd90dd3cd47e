"""The memory of idle connections, and the start-up time of the command line."""

from __future__ import annotations

import functools
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from benchmarks.gateway import gateway, seed
from benchmarks.machine import SERVER_CORE, memory
from benchmarks.peers import start
from benchmarks.processes import ROOT, Load, Server, ask, is_there, pinned
from benchmarks.requests import head
from benchmarks.row import Figures, Goal, Measure, Row, Stage, Unfit, ratio

CONNECTIONS = 8000
SETTLE = 8.0
"""Seconds after which the gateway has dropped the heads that idle connections remember."""


def idle_sides(stage: Stage) -> dict[str, Measure]:
    _, handles = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(CONNECTIONS, handles - 2000)
    if count < CONNECTIONS:
        print(f"  only {count} connections: there are {handles} file handles", flush=True)
    upstream = stage.start(start.fixed_upstream())
    starts: dict[str, Callable[[], AbstractContextManager[Server]]] = {
        "gateway": lambda: gateway(seed(), upstream),
        "nginx": lambda: start.nginx(upstream),
        "caddy": lambda: start.caddy(upstream),
        "aiohttp": lambda: start.textbook(upstream),
    }

    def measure(begin: Callable[[], AbstractContextManager[Server]]) -> Figures:
        with begin() as server:
            for _ in range(64):
                if ask(server.port, server.authorization)[0] != 200:
                    raise Unfit(server.name)
            before = memory(server.pid)
            spec = {"port": server.port, "request": head(server.authorization)}
            with Load("idle", spec | {"connections": count}) as clients:
                statuses = clients.receive()["statuses"]
                if statuses != {"200": count}:
                    raise Unfit(f"{server.name}: {statuses}")
                at_once = memory(server.pid)
                time.sleep(SETTLE)
                return {
                    "bytes": (memory(server.pid) - before) / count,
                    "bytes_at_once": (at_once - before) / count,
                }

    if not is_there("caddy"):
        stage.leave_out("caddy", "caddy is not installed")
        del starts["caddy"]
    return {name: functools.partial(measure, begin) for name, begin in starts.items()}


IDLE = Row(
    name="idle",
    title="Memory of an idle keep-alive connection",
    method=f"{CONNECTIONS:,} connections send one request with 14 fields each and are then idle. "
    f"The figure is the growth of the server's memory (PSS) after {SETTLE:g} s, divided by the "
    "number of connections; the kernel's buffers do not count. Each server is newly started.",
    figures={
        "bytes": "bytes per connection",
        "bytes_at_once": "bytes per connection, right after the last answer",
    },
    goals=(Goal("≤ 4 KB", 4096, lambda found: found["gateway"]["bytes"]),),
    sides=idle_sides,
    rounds=1,
    slow=True,
)


# --- the command line ----------------------------------------------------------------------------


def help_sides(_: Stage) -> dict[str, Measure]:
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "wardgate --help": [sys.executable, "-m", "proxy", "--help"],
        "wardgate keys --help": [sys.executable, "-m", "proxy", "keys", "--help"],
    }

    def measure(command: list[str]) -> Figures:
        took = []
        for _ in range(5):
            began = time.perf_counter()
            subprocess.run(
                pinned(command, SERVER_CORE), cwd=ROOT, stdout=subprocess.DEVNULL, check=True
            )
            took.append(time.perf_counter() - began)
        return {"ms": statistics.median(took) * 1000}

    return {name: functools.partial(measure, command) for name, command in commands.items()}


HELP = Row(
    name="help",
    title="Start-up time of the command line",
    method="The time from start to exit, the median of five runs in each round.",
    figures={"ms": "from start to exit, ms"},
    goals=(
        Goal(
            "`wardgate --help` ≤ 8 × the time of `python -c pass`",
            8,
            ratio("ms", "wardgate --help", "python -c pass"),
        ),
    ),
    sides=help_sides,
)

ROWS = (IDLE, HELP)
