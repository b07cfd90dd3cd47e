"""Cold start: 1,000 keys of a gateway that has just started are used for the first time at once."""

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
COSTS = (4, 6, 8, 10, 12)
DEFAULT: int = Config.model_fields["bcrypt_rounds"].default


def hash_seconds(cost: int) -> float:
    """What one bcrypt of this cost takes: twice that of the cost below, so that the shortest of
    many short ones tells it even on a busy machine."""
    salt = bcrypt.gensalt(4)
    took = []
    for _ in range(20):
        began = time.perf_counter()
        bcrypt.hashpw(b"a secret", salt)
        took.append(time.perf_counter() - began)
    return min(took) * 2.0 ** (cost - 4)


def measure(upstream: Server, cost: int) -> Figures:
    one = hash_seconds(cost)
    # Those that the queue cannot reach in time need no hash of their own: making them would take
    # longer than everything else. None of them may be reached.
    reachable = min(KEYS, int(2 * TIMEOUT / one))
    seeded = seed(keys=reachable, unhashed=KEYS - reachable, rounds=cost)
    clients = [{"requests": [head(pair.authorization)]} for pair in seeded.keys]
    with gateway(seeded, upstream) as server:
        spec = {"port": server.port, "clients": clients, "rate": 0, "once": True}
        with Load("clients", spec) as load:
            load.heard()
            with Meter(server.pid) as meter:
                load.go_on()
                saw = load.heard()
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
    title="Cold start: 1,000 sealed keys first used at once",
    method="1,000 clients send one request each, at once; each key's bcrypt is checked by a thread "
    "of low priority on the gateway's only core. What waits longer than "
    f"{TIMEOUT:g} s is answered 503.",
    figures={
        "seconds": "until the last answer, s",
        "served": "served",
        "too_late": "answered 503",
        "p50_ms": "p50, ms",
        "cpu_s": "CPU, s",
        "hash_ms": "one bcrypt, ms",
    },
    goals=(Goal(f"all served at the default cost, {DEFAULT}", KEYS, served, at_least=True),),
    sides=sides,
    rounds=1,
)

ROWS = (COLD,)
