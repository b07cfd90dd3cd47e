"""Guesses by the thousand: the cost of a refusal, and the delay of other clients."""

from __future__ import annotations

import functools
import itertools
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.gateway import gateway, seed
from benchmarks.machine import Meter
from benchmarks.peers import start
from benchmarks.processes import Load, Server
from benchmarks.requests import bare, head
from benchmarks.row import Figures, Goal, Measure, Row, Stage, Unfit, ratio
from tests.support.credentials import Credentials
from tests.support.seed import new_credentials

SOURCES = 1000
RATE = 1000
"""Wrong passwords a second, and also requests with a good key a second."""
REFUSED = {"401", "429"}
TARGET = "/v1/projects/e0/x"


def addresses() -> Iterator[str]:
    """Loopback addresses, each once."""
    for number in itertools.count(1):
        yield f"127.{1 + number // 62500}.{number // 250 % 250}.{1 + number % 250}"


def guessers(count: int, sources: Sequence[str], guesses: Iterator[str]) -> list[dict[str, Any]]:
    """Clients for `benchmarks.load.clients`, each of which repeats five guesses."""
    return [
        {
            "source": sources[number % len(sources)],
            "requests": [bare("GET", TARGET, next(guesses)) for _ in range(5)],
        }
        for number in range(count)
    ]


# --- forged --------------------------------------------------------------------------------------


def forgeries() -> Iterator[str]:
    """Credentials with well formed secrets whose seals were made with a different server key."""
    key = os.urandom(32)
    while True:
        yield new_credentials(key).authorization


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
            load.receive()
            with Meter(server.pid) as meter:
                load.go_on()
                saw = load.receive()
        if not set(saw["statuses"]) <= REFUSED:
            raise Unfit(f"{saw['statuses']}")
        return {
            "per_cpu_second": saw["answers"] / meter.cpu,
            "per_second": saw["answers"] / saw["seconds"],
            "status_401": saw["statuses"].get("401", 0) / saw["answers"] * 100,
        } | meter.cores

    sides = {"one source": (server, few), f"{SOURCES:,} sources": (server, many)}
    sides |= {name: (other, few) for name, other in others.items()}
    return {name: functools.partial(measure, *asked) for name, asked in sides.items()}


def refuses(sources: str) -> Goal:
    def of(found: Any) -> float:
        return float(found[sources]["per_cpu_second"])

    return Goal(f"≥ 25,000 per CPU second, {sources}", 25_000, of, at_least=True)


FORGED = Row(
    name="forged",
    title="Refusing forged credentials",
    method="Clients send well formed credentials with a wrong seal as fast as they are refused: "
    "with 401, or with 429 where the address has guessed too often. nginx refuses them because "
    "its password file does not name the users. The deaf server answers 401 to everything without "
    "reading it, so its cost is that of the event loop and the kernel alone.",
    figures={
        "per_cpu_second": "refusals per CPU second",
        "per_second": "refusals per second",
        "status_401": "of them 401, %",
        "server_core": "server's core, % busy",
        "load_core": "load's core, % busy",
    },
    goals=(
        refuses("one source"),
        refuses(f"{SOURCES:,} sources"),
        Goal(
            "≥ 0.75 × the rate of nginx with auth_basic, one source",
            0.75,
            ratio("per_cpu_second", "one source", "nginx"),
            at_least=True,
        ),
    ),
    sides=forged_sides,
    rounds=3,
    smaller_is_better=False,
)


# --- wrong passwords -----------------------------------------------------------------------------


def wrong_passwords(imported: Sequence[Credentials]) -> Iterator[str]:
    """Wrong passwords for imported keys, one key after the other."""
    for pair in itertools.cycle(imported):
        yield Credentials(pair.access_key, secrets.token_hex(8)).authorization


def flood_sides(stage: Stage) -> dict[str, Measure]:
    upstream = stage.start(start.fixed_upstream())
    imported = [Credentials(f"imported{number}", "legacy-password") for number in range(1000)]
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
    """Measure 8 clients with a good key while the clients of `flood`, if any, send guesses."""
    until_at_rest(server)
    warm = [{"requests": [head(server.authorization)]}] * 8
    spec = {"port": server.port, "rate": RATE}
    with Load("clients", spec | {"clients": warm, "seconds": seconds, "warm": True}) as clients:
        clients.receive()
        if not flood:
            return _warm(clients, server)
        # The flood runs at a lower priority than the 8 clients on the same core, so that their
        # latency is that of the gateway.
        more = spec | {"clients": flood, "seconds": seconds + 0.5}
        with Load("clients", more, nice=10) as flooding:
            flooding.receive()
            flooding.go_on()
            time.sleep(0.3)
            figures = _warm(clients, server)
            saw = flooding.receive()
    if not set(saw["statuses"]) <= REFUSED | {"503"}:
        raise Unfit(f"the guesses were answered {saw['statuses']}")
    shares = {
        f"status_{status}": count / saw["answers"] * 100
        for status, count in saw["statuses"].items()
    }
    return figures | {"flood": saw["answers"] / saw["seconds"]} | shares


def until_at_rest(server: Server) -> None:
    """Wait until the gateway has finished the bcrypts of the last flood. Raises `Unfit`."""
    for _ in range(100):
        with Meter(server.pid) as meter:
            time.sleep(0.2)
        if meter.cpu < 0.1 * meter.seconds:
            return
    raise Unfit("the gateway does not come to rest")


def _warm(clients: Load, server: Server) -> Figures:
    with Meter(server.pid) as meter:
        clients.go_on()
        saw = clients.receive()
    if set(saw["statuses"]) != {"200"}:
        raise Unfit(f"requests with a good key were answered {saw['statuses']}")
    return {"p99_us": saw["p99_us"], "p50_us": saw["p50_us"]} | meter.cores


def unmoved(sources: str) -> Goal:
    return Goal(
        f"p99 of the 8 clients ≤ 1.5 × that without guesses, {sources}",
        1.5,
        ratio("p99_us", sources, "without"),
    )


FLOOD = Row(
    name="flood",
    title="Other clients during 1,000 wrong passwords a second",
    method="8 clients with a key that is in use send 1,000 requests a second, at first alone "
    "(`without`). Then other clients send at the same time 1,000 wrong passwords a second for "
    "1,000 imported keys (no seal, bcrypt of cost 10), either all from one address or from 1,000 "
    "addresses.",
    figures={
        "p99_us": "p99 of the 8 clients, µs",
        "p50_us": "p50 of the 8 clients, µs",
        "flood": "guesses answered per second",
        "status_401": "of them 401, %",
        "status_429": "of them 429, %",
        "status_503": "of them 503, %",
        "server_core": "server's core, % busy",
        "load_core": "load's core, % busy",
    },
    goals=(unmoved("one source"), unmoved(f"{SOURCES:,} sources")),
    sides=flood_sides,
    rounds=4,
)

ROWS = (FORGED, FLOOD)
