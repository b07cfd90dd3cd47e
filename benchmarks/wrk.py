"""Load by wrk: many clients, each of which sends one request over and over."""

from __future__ import annotations

import json
import subprocess
from typing import Literal

from benchmarks.machine import LOAD_CORE, Meter
from benchmarks.processes import ROOT, Server, pinned, program
from benchmarks.requests import FIELDS, TARGET
from benchmarks.row import Figures, Unfit

Mode = Literal["same", "varied", "paths", "post"]
"""Which requests: the same each time, one with a field that differs, or a path, or a body of
1 KiB."""


def wrk(
    server: Server,
    seconds: int,
    *,
    target: str = TARGET,
    clients: int = 64,
    mode: Mode = "same",
) -> Figures:
    """Rates and latencies that `clients` measure in so many seconds, and the server's CPU time.

    Raises `Unfit` where any request is not answered 200.
    """
    fields = FIELDS | ({"Authorization": server.authorization} if server.authorization else {})
    command = [program("wrk"), "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "30s"]
    for name, value in fields.items():
        command += ["-H", f"{name}: {value}"]
    command += ["-s", str(ROOT / "benchmarks/load/wrk.lua")]
    command += [f"http://127.0.0.1:{server.port}{target}", mode]
    with Meter(server.pid) as meter:
        done = subprocess.run(
            pinned(command, LOAD_CORE), capture_output=True, text=True, check=True,
            timeout=seconds + 60,
        )  # fmt: skip
    saw = json.loads(done.stdout.splitlines()[-1])
    if saw["failed"] or saw["not_ok"] or not saw["answers"]:
        raise Unfit(f"{server.name}: {saw}")
    return {
        "cpu_us": meter.cpu / saw["answers"] * 1e6,
        "per_second": saw["answers"] / saw["seconds"],
        "p50_us": saw["p50_us"],
        "p99_us": saw["p99_us"],
    } | meter.cores
