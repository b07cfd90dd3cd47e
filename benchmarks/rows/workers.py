"""Several workers: whether a request costs what it costs with one, and what the keeper does."""

from __future__ import annotations

import functools
import resource

from benchmarks.gateway import gateway, gateways, seed
from benchmarks.machine import BOTH_CORES, cpu_of_each, cpu_seconds
from benchmarks.peers import start
from benchmarks.processes import Load, Server, ask, free_port
from benchmarks.requests import head
from benchmarks.row import Figures, Goal, Measure, Row, Stage, Unfit, ratio
from benchmarks.rows.store import act
from benchmarks.wrk import wrk

SECONDS = 1
"""Of one measurement: short, so that what else the machine does differs little within a round."""
COUNTS = (2, 4)
CLIENTS = 256
"""So many that each of four workers has as many as the gateway of the row `get`. With fewer, it
goes to sleep and wakes up more often for a request."""


def sides(stage: Stage) -> dict[str, Measure]:
    upstream, seeded = stage.start(start.fixed_upstream()), seed()
    alone = gateway(seed(), upstream, core=BOTH_CORES)
    servers = {"1 worker": (1, stage.start(alone, locked=True))}
    for count in COUNTS:
        several = gateway(seed(), upstream, core=BOTH_CORES, workers=count)
        servers[f"{count} workers"] = (count, stage.start(several, locked=True))
    for count in COUNTS:
        apart = gateways(count, seeded, upstream, core=BOTH_CORES)
        servers[f"{count} gateways"] = (count, stage.start(apart, locked=True))
    for _, server in servers.values():
        wrk(server, SECONDS, clients=CLIENTS)  # each worker has heard of the key then
    return {
        name: functools.partial(measure, server, count, upstream)
        for name, (count, server) in servers.items()
    }


def measure(server: Server, count: int, upstream: Server) -> Figures:
    """Measure a server of `count` processes that serve clients."""
    processes, others = cpu_of_each(server.pid), _load_seconds(upstream)
    found = wrk(server, SECONDS, clients=CLIENTS)
    others = _load_seconds(upstream) - others
    took = {pid: cpu - processes.get(pid, 0.0) for pid, cpu in cpu_of_each(server.pid).items()}
    serving = sorted(took.values())[-count:]
    of_server = found["cpu_us"] * found["per_second"] / 1e6  # seconds of CPU in a second
    busy = found["server_core"] + found["load_core"]
    return {name: found[name] for name in ("cpu_us", "per_second", "p50_us", "p99_us")} | {
        "least": 100 * serving[0] / sum(serving),
        "others": max(0.0, busy - 100 * (of_server + others / SECONDS)) / 2,
    }


def _load_seconds(upstream: Server) -> float:
    """CPU seconds of the upstream, and of all runs of wrk."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return cpu_seconds(upstream.pid) + ended.ru_utime + ended.ru_stime


def within(side: str, to: str, text: str) -> Goal:
    return Goal(f"{side}: CPU ≤ 1.05 × that of {text}", 1.05, ratio("cpu_us", side, to))


WORKERS = Row(
    name="workers",
    title="GET with 1, 2 and 4 workers, 256 keep-alive clients",
    method="As in the row `get`, but the server may use both cores, which it shares with the load "
    "and the upstream. CPU is that of the master, the keeper and all workers; 1 worker is a "
    "process alone. For comparison, `2 gateways` and `4 gateways` are processes alone that share "
    "the port and nothing else: what they cost more than one is the machine's doing, as processes "
    "share its caches and cores. How many requests there are per second says nothing here, because "
    "the load has no core of its own.",
    figures={
        "cpu_us": "CPU per request, µs",
        "per_second": "requests per second",
        "p50_us": "p50, µs",
        "p99_us": "p99, µs",
        "least": "the least busy worker's share of the workers' CPU, %",
    },
    goals=tuple(
        within(f"{count} workers", to, text)
        for count in COUNTS
        for to, text in (
            ("1 worker", "1 worker"),
            (f"{count} gateways", f"{count} gateways with nothing in common"),
        )
    ),
    sides=sides,
    rounds=6,
)  # fmt: skip

# --- the keeper ----------------------------------------------------------------------------------

KEYS = 1000
CHANGES = 50


def keeper_sides(stage: Stage) -> dict[str, Measure]:
    upstream = stage.start(start.fixed_upstream())
    return {
        f"{count} workers": functools.partial(measure_keeper, count, upstream)
        for count in (2, 4, 8)
    }


def measure_keeper(count: int, upstream: Server) -> Figures:
    """CPU of a keeper and of its `count` workers: first uses of keys, then changes of one."""
    seeded, api = seed(keys=KEYS), free_port()
    with gateway(seeded, upstream, core=BOTH_CORES, workers=count, api=api) as server:
        if ask(server.port, server.authorization)[0] != 200:
            raise Unfit("the gateway does not serve")
        clients = [{"requests": [head(pair.authorization)]} for pair in seeded.keys[1:]]
        spec = {"port": server.port, "clients": clients, "rate": 0, "once": True}
        with Load("clients", spec) as load:
            load.receive()
            before = _shares(server)
            load.go_on()
            saw = load.receive()
            used = _shares(server)
        if set(saw["statuses"]) != {"200"}:
            raise Unfit(f"{saw['statuses']}")
        for number in range(CHANGES):
            act(api, seeded.admin, ("deactivate", "activate")[number % 2])
        changed = _shares(server)
    return {
        "first_us": (used[0] - before[0]) / len(clients) * 1e6,
        "change_us": (changed[0] - used[0]) / CHANGES * 1e6,
        "worker_us": (changed[1] - used[1]) / CHANGES / count * 1e6,
    }


def _shares(server: Server) -> tuple[float, float]:
    """CPU seconds of the keeper, which the master starts first, and of all workers together."""
    _, keeper, *others = cpu_of_each(server.pid).values()
    return keeper, sum(others)


KEEPER = Row(
    name="keeper",
    title="What the one keeper does for workers",
    method=f"{KEYS - 1} clients on as many connections use a key each for the first time, with "
    f"bcrypt of cost 4, which the workers compute. Then {CHANGES} changes of one key are made by "
    "the admin API. CPU is that of the keeper, a single process, but for the last column.",
    figures={
        "first_us": "CPU per first use of a key, µs",
        "change_us": "CPU per change, µs",
        "worker_us": "a worker's CPU per change, µs",
    },
    goals=(),
    sides=keeper_sides,
    rounds=2,
)

ROWS = (WORKERS, KEEPER)
