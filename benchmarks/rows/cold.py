"""Cold start: a gateway has just started, and 1,000 keys are used for the first time at once."""

from __future__ import annotations

import functools
import time

import bcrypt

from benchmarks.gateway import gateway, seed
from benchmarks.machine import Meter
from benchmarks.peers import start
from benchmarks.processes import Load, Server
from benchmarks.requests import head
from benchmarks.row import Figures, Goal, Measure, Round, Row, Stage, Unfit
from proxy.auth.verifier import TIMEOUT
from proxy.config.model import Config

KEYS = 1000
DEFAULT: int = Config.model_fields["bcrypt_rounds"].default
COSTS = (4, DEFAULT, 8)


def hash_seconds(cost: int) -> float:
    """Seconds that one bcrypt of this cost takes, computed from the shortest of many of cost 4.

    Each cost takes twice the time of the one below, and short runs can be measured even on a busy
    machine.
    """
    salt = bcrypt.gensalt(4)
    took = []
    for _ in range(20):
        began = time.perf_counter()
        bcrypt.hashpw(b"a secret", salt)
        took.append(time.perf_counter() - began)
    return min(took) * 2.0 ** (cost - 4)


def measure(upstream: Server, cost: int) -> Figures:
    one = hash_seconds(cost)
    # Keys that are so late in the queue that their requests time out get no real hash: making one
    # for each would take longer than everything else.
    reachable = min(KEYS, int(2 * TIMEOUT / one))
    seeded = seed(keys=reachable, unhashed=KEYS - reachable, rounds=cost)
    clients = [{"requests": [head(pair.authorization)]} for pair in seeded.keys]
    with gateway(seeded, upstream) as server:
        spec = {"port": server.port, "clients": clients, "rate": 0, "once": True}
        with Load("clients", spec) as load:
            load.receive()
            with Meter(server.pid) as meter:
                load.go_on()
                saw = load.receive()
    if not set(saw["statuses"]) <= {"200", "503"}:
        raise Unfit(f"cost {cost}: {saw['statuses']}")
    return {
        "seconds": saw["seconds"],
        "served": saw["statuses"].get("200", 0),
        "too_late": saw["statuses"].get("503", 0),
        "cpu_s": meter.cpu,
        "hash_ms": one * 1000,
        "p50_ms": saw["p50_us"] / 1000,
    }


def sides(stage: Stage) -> dict[str, Measure]:
    upstream = stage.start(start.fixed_upstream())
    return {f"cost {cost}": functools.partial(measure, upstream, cost) for cost in COSTS}


def served(found: Round) -> float:
    return found[f"cost {DEFAULT}"]["served"]


COLD = Row(
    name="cold",
    title="Cold start: 1,000 keys are first used at once",
    method="1,000 clients with a key each send one request at once. A key's first use takes one "
    "bcrypt, in a thread of low priority on the gateway's only core. A request that waits longer "
    f"than {TIMEOUT:g} s is answered 503.",
    figures={
        "seconds": "time to the last answer, s",
        "served": "answered 200",
        "too_late": "answered 503",
        "p50_ms": "p50, ms",
        "cpu_s": "CPU, s",
        "hash_ms": "one bcrypt, ms",
    },
    goals=(
        Goal(f"all are answered 200 at the default cost, {DEFAULT}", KEYS, served, at_least=True),
    ),
    sides=sides,
    rounds=1,
    slow=True,
)

ROWS = (COLD,)
