"""Where the gateway's microseconds go, as seen from inside."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from benchmarks.gateway import gateway, seed
from benchmarks.peers import start
from benchmarks.processes import Server, folder
from benchmarks.row import Figures, Measure, Row, Stage
from benchmarks.sampled import LOOP, ROOMS
from benchmarks.wrk import wrk


def seen_in(file: Path) -> dict[str, int]:
    """Room → how often the gateway was seen there so far."""
    return json.loads(file.read_text()) if file.exists() else {}


def phases_sides(stage: Stage) -> dict[str, Measure]:
    out = folder("phases") / "seen.json"
    upstream = stage.start(start.fixed_upstream())
    sampled = ("-m", "benchmarks.sampled", str(out))
    server = stage.start(gateway(seed(), upstream, program=sampled), locked=True)
    seconds = max(4, stage.seconds)  # to be seen often enough

    def measure(server: Server, **how: Any) -> Figures:
        before = seen_in(out)
        found = wrk(server, seconds, **how)
        seen = {room: count - before.get(room, 0) for room, count in seen_in(out).items()}
        share = found["cpu_us"] / sum(seen.values())
        return {room: seen.get(room, 0) * share for room in (LOOP, *ROOMS.values())}

    return {
        "same head": functools.partial(measure, server),
        "varied": functools.partial(measure, server, target="/v1/projects/e0/varied", varied=True),
    }


PHASES = Row(
    name="phases",
    title="Where the microseconds go",
    method="The gateway as in the first two rows, with a look at it every millisecond of CPU time; "
    "to look takes some of the time itself. Where bytes are written, the kernel's share of sending "
    "them is counted there.",
    figures={room: f"{room}, µs" for room in (LOOP, *ROOMS.values())},
    goals=(),
    sides=phases_sides,
    rounds=3,
)

ROWS = (PHASES,)
