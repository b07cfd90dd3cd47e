"""One of three servers of an API is killed, hangs, becomes slow, or flaps, under load."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from benchmarks.gateway import gateway, seed
from benchmarks.peers import several
from benchmarks.peers.several import Target
from benchmarks.processes import Load, Server
from benchmarks.requests import bare
from benchmarks.row import Figures, Goal, Measure, Round, Row, Stage, Unfit

BEFORE, SECONDS = 1.0, 5.0
"""When a server begins to fail, and how long the load lasts."""
LATE = 0.4
"""Seconds after which an answer shows that the failure was not noticed before."""
Start = Callable[[], AbstractContextManager[Server]]
FAULTS: Mapping[str, Callable[[Target], None]] = {
    "killed": Target.kill,
    "hung": Target.hang,
    "slow": Target.slow,
    "flapping": Target.flap,
}
UPSTREAM = {
    "connect_timeout": 1,
    "first_byte_timeout": 2,
    "checks": {"path": "/healthz", "interval": 1, "timeout": 1, "unhealthy": 2},
}


def sides(stage: Stage) -> dict[str, Measure]:
    three = stage.stack.enter_context(several.targets())
    time.sleep(1)  # until they listen
    upstream = UPSTREAM | {"targets": [f"http://127.0.0.1:{each.port}" for each in three]}
    first = Server("target", 0, three[0].port)
    starts: Mapping[str, Start] = {
        "gateway": lambda: gateway(seed(), first, upstreams={"default": upstream}),
        "nginx": lambda: several.nginx(three),
        "haproxy": lambda: several.haproxy(three),
        "caddy": lambda: several.caddy(three),
    }
    return {name: functools.partial(measure, start, three) for name, start in starts.items()}


def measure(start: Start, three: Sequence[Target]) -> Figures:
    """Each way to fail in turn. The server is started anew for each, because nginx and Caddy leave
    a server alone for ten seconds once it has failed."""
    figures: Figures = {}
    for name, fault in FAULTS.items():
        with start() as server, Load("steady", spec_of(server)) as load:
            load.receive()
            time.sleep(BEFORE)
            fault(three[0])
            seen = load.receive()["requests"]
        three[0].mend()
        time.sleep(1)  # until it listens
        if any(status != 200 for began, _, status in seen if began < BEFORE - 0.2):
            raise Unfit(f"{server.name} failed a request before any server did")
        late = [began for began, took, status in seen if status != 200 or took > LATE]
        times = sorted(took for _, took, _ in seen)
        figures[f"{name}_failed"] = sum(status != 200 for *_, status in seen)
        figures[f"{name}_p99"] = times[int(len(times) * 0.99)] * 1000
        figures[f"{name}_notice"] = max(0.0, max(late, default=BEFORE) - BEFORE)
    return figures


def spec_of(server: Server) -> dict[str, Any]:
    """The load on a server."""
    head = bare("GET", "/v1/projects/e0/x", server.authorization)
    return {"port": server.port, "clients": 16, "pause": 0.02, "seconds": SECONDS, "head": head}


def _failed(found: Round, side: str) -> float:
    return sum(found[side][f"{name}_failed"] for name in FAULTS)


def fewer(found: Round) -> float:
    """How many more requests failed than with the best of the others."""
    others = [_failed(found, side) for side in found if side != "gateway"]
    return _failed(found, "gateway") - min(others)


FAILING = Row(
    name="failing",
    title="One of three servers fails",
    method="16 clients send GET requests every 20 ms for five seconds. After one second, one of "
    "three servers is killed, hangs (SIGSTOP), takes 500 ms for each answer, or goes and comes "
    "four times in two seconds. All proxies wait one second for a connection and two for an "
    "answer, and all but nginx, which has none, check each server every second. Not noticed is the "
    "time from the failure to the last request that failed or took 400 ms; no proxy here takes out "
    "what is only slow.",
    figures={
        f"{name}_{figure}": f"{name}: {heading}"
        for name in FAULTS
        for figure, heading in (
            ("failed", "failed requests"),
            ("p99", "p99, ms"),
            ("notice", "not noticed, s"),
        )
    },
    goals=(Goal("no more failed requests than the best of the others", 0, fewer),),
    sides=sides,
    rounds=1,
    slow=True,
)

ROWS = (FAILING,)
