"""Guesses by the thousand: what a refusal costs, and what the others notice of it."""

from __future__ import annotations

import functools
import itertools
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.gateway import Pair, basic, gateway, sealed_pair, seed
from benchmarks.machine import Meter
from benchmarks.peers import start
from benchmarks.processes import Load, Server
from benchmarks.requests import bare, head
from benchmarks.row import Figures, Goal, Measure, Row, Stage, Unfit, ratio

SOURCES = 1000
RATE = 1000
"""Of wrong passwords and of warm requests, a second each."""
REFUSED = {"401", "429"}
TARGET = "/v1/projects/e0/x"


def addresses() -> Iterator[str]:
    """Loopback addresses, none twice."""
    for number in itertools.count(1):
        yield f"127.{1 + number // 62500}.{number // 250 % 250}.{1 + number % 250}"


def guessers(count: int, sources: Sequence[str], guesses: Iterator[str]) -> list[dict[str, Any]]:
    """Clients that go through five guesses each."""
    return [
        {
            "source": sources[number % len(sources)],
            "requests": [bare("GET", TARGET, next(guesses)) for _ in range(5)],
        }
        for number in range(count)
    ]


# --- forged --------------------------------------------------------------------------------------


def forgeries() -> Iterator[str]:
    """Pairs in the shape of ours, sealed under somebody else's key."""
    key = os.urandom(32)
    while True:
        yield sealed_pair(key).authorization


def forged_sides(stage: Stage) -> dict[str, Measure]:
    upstream = stage.start(start.fixed_upstream())
    server = stage.start(gateway(seed(), upstream), locked=True)
    others = stage.peers(
        {"nginx": start.nginx(upstream, auth=True), "deaf server": start.deaf()}, locked=("nginx",)
    )
    few = guessers(64, ["127.0.0.1"], forgeries())
    many = guessers(SOURCES, list(itertools.islice(addresses(), SOURCES)), forgeries())

    def measure(server: Server, clients: list[dict[str, Any]]) -> Figures:
        spec = {"port": server.port, "clients": clients, "rate": 0, "seconds": stage.seconds}
        with Load("clients", spec) as load:
            load.heard()
            with Meter(server.pid) as meter:
                load.go_on()
                saw = load.heard()
        if not set(saw["statuses"]) <= REFUSED:
            raise Unfit(f"{saw['statuses']}")
        return {
            "per_cpu_second": saw["answers"] / meter.cpu,
            "per_second": saw["answers"] / saw["seconds"],
            "told_401": saw["statuses"].get("401", 0) / saw["answers"] * 100,
        } | meter.cores

    sides = {"one source": (server, few), f"{SOURCES:,} sources": (server, many)}
    sides |= {name: (other, few) for name, other in others.items()}
    return {name: functools.partial(measure, *asked) for name, asked in sides.items()}


def refuses(sources: str) -> Goal:
    def of(found: Any) -> float:
        return float(found[sources]["per_cpu_second"])

    return Goal(f"≥ 25,000 a second of one core, {sources}", 25_000, of, at_least=True)


FORGED = Row(
    name="forged",
    title="Forged credentials refused",
    method="Pairs in the right shape whose seal does not fit, as fast as they are refused. "
    "401 says so; 429 says that the address has guessed too often. nginx's users are others. The "
    "deaf server refuses unread whatever comes: an event loop and the kernel, and nothing else.",
    figures={
        "per_cpu_second": "refusals per CPU second",
        "per_second": "refusals per second",
        "told_401": "of them 401, %",
        "server_core": "server's core, % busy",
        "load_core": "load's core, % busy",
    },
    goals=(refuses("one source"), refuses(f"{SOURCES:,} sources")),
    sides=forged_sides,
    rounds=3,
    smaller_is_better=False,
)


# --- wrong passwords -----------------------------------------------------------------------------


def wrong_passwords(imported: Sequence[Pair]) -> Iterator[str]:
    """Guesses at keys that were made elsewhere, in turn."""
    for pair in itertools.cycle(imported):
        yield basic(pair.access_key, secrets.token_hex(8))


def flood_sides(stage: Stage) -> dict[str, Measure]:
    upstream = stage.start(start.fixed_upstream())
    imported = [Pair(f"imported{number}", "legacy-password") for number in range(1000)]
    seeded = seed(imported=imported, imported_rounds=10)
    server = stage.start(gateway(seeded, upstream), locked=True)
    guesses = wrong_passwords(imported)
    floods: dict[str, list[dict[str, Any]]] = {
        "without": [],
        "one source": guessers(64, ["127.0.0.2"], guesses),
        f"{SOURCES:,} sources": guessers(
            SOURCES, list(itertools.islice(addresses(), SOURCES)), guesses
        ),
    }
    return {
        name: functools.partial(beside, server, clients, min(2, stage.seconds))
        for name, clients in floods.items()
    }


def beside(server: Server, flood: list[dict[str, Any]], seconds: float) -> Figures:
    """What 8 warm clients see while the flood comes, if there is one."""
    until_at_rest(server)
    warm = [{"requests": [head(server.authorization)]}] * 8
    spec = {"port": server.port, "rate": RATE}
    with Load("clients", spec | {"clients": warm, "seconds": seconds, "warm": True}) as clients:
        clients.heard()
        if not flood:
            return _warm(clients, server)
        # The flood yields to the clients, which share its core: the gateway is what is measured.
        more = spec | {"clients": flood, "seconds": seconds + 0.5}
        with Load("clients", more, nice=10) as flooding:
            flooding.heard()
            flooding.go_on()
            time.sleep(0.3)
            figures = _warm(clients, server)
            saw = flooding.heard()
    if not set(saw["statuses"]) <= REFUSED | {"503"}:
        raise Unfit(f"guesses were answered {saw['statuses']}")
    shares = {
        f"told_{status}": count / saw["answers"] * 100 for status, count in saw["statuses"].items()
    }
    return figures | {"flood": saw["answers"] / saw["seconds"]} | shares


def until_at_rest(server: Server) -> None:
    """Until the gateway has done with the bcrypts of the flood before. Raises `Unfit`."""
    for _ in range(100):
        with Meter(server.pid) as meter:
            time.sleep(0.2)
        if meter.cpu < 0.1 * meter.seconds:
            return
    raise Unfit("the gateway does not come to rest")


def _warm(clients: Load, server: Server) -> Figures:
    with Meter(server.pid) as meter:
        clients.go_on()
        saw = clients.heard()
    if set(saw["statuses"]) != {"200"}:
        raise Unfit(f"warm requests were answered {saw['statuses']}")
    return {"p99_us": saw["p99_us"], "p50_us": saw["p50_us"]} | meter.cores


def unmoved(sources: str) -> Goal:
    return Goal(f"warm p99 ≤ 1.5 × without, {sources}", 1.5, ratio("p99_us", sources, "without"))


FLOOD = Row(
    name="flood",
    title="1,000 wrong passwords a second for imported keys",
    method="8 clients send 1,000 warm requests a second; beside them come 1,000 guesses a second "
    "at 1,000 imported keys (no seal, bcrypt of cost 10), from one address and from 1,000.",
    figures={
        "p99_us": "warm p99, µs",
        "p50_us": "warm p50, µs",
        "flood": "guesses answered per second",
        "told_401": "of them 401, %",
        "told_429": "429, %",
        "told_503": "503, %",
        "server_core": "server's core, % busy",
        "load_core": "load's core, % busy",
    },
    goals=(unmoved("one source"), unmoved(f"{SOURCES:,} sources")),
    sides=flood_sides,
    rounds=10,
)

ROWS = (FORGED, FLOOD)
