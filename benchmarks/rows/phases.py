"""Which phases of a request take the gateway's microseconds, by samples from inside it."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from benchmarks.gateway import gateway, seed
from benchmarks.peers import start
from benchmarks.processes import Server, folder
from benchmarks.row import Figures, Measure, Row, Stage, Unfit
from benchmarks.sampled import LOOP, PHASES
from benchmarks.wrk import wrk

NAMES = tuple(dict.fromkeys((LOOP, *PHASES.values())))
"""Every phase once, in the order of a request."""


def seen_in(file: Path) -> dict[str, int]:
    """Phase → how often the gateway has been seen in it so far."""
    return json.loads(file.read_text()) if file.exists() else {}


def phases_sides(stage: Stage) -> dict[str, Measure]:
    out = folder("phases") / "seen.json"
    upstream = stage.start(start.fixed_upstream())
    sampled = ("-m", "benchmarks.sampled", str(out))
    server = stage.start(gateway(seed(), upstream, program=sampled), locked=True)
    seconds = max(4, stage.seconds)  # enough samples even for a short phase

    def measure(server: Server, **how: Any) -> Figures:
        before = seen_in(out)
        found = wrk(server, seconds, **how)
        seen = {phase: count - before.get(phase, 0) for phase, count in seen_in(out).items()}
        if not any(seen.values()):
            raise Unfit("the gateway got too little time to be seen")
        share = found["cpu_us"] / sum(seen.values())
        return {phase: seen.get(phase, 0) * share for phase in NAMES}

    return {
        "same head": functools.partial(measure, server),
        "varied": functools.partial(
            measure, server, target="/v1/projects/e0/varied", mode="varied"
        ),
    }


ROW = Row(
    name="phases",
    title="Where a request's CPU time goes",
    method="The gateway runs under the load of the first two rows. After every millisecond of its "
    "CPU time a signal records which phase of a request its code is in; recording takes some CPU "
    "time too. The kernel's share of sending bytes counts for the phase that writes them.",
    figures={phase: f"{phase}, µs" for phase in NAMES},
    goals=(),
    sides=phases_sides,
    rounds=3,
)

ROWS = (ROW,)
