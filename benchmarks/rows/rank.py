"""Whether the duration of a refusal reveals its cause: a rank test between kinds of credentials."""

from __future__ import annotations

import bisect
import functools
import itertools
import os
import random
import secrets
import statistics
from collections.abc import Sequence
from typing import Any

from benchmarks.gateway import gateway, seed
from benchmarks.peers import start
from benchmarks.processes import Server, load
from benchmarks.requests import bare
from benchmarks.row import Figures, Goal, Measure, Round, Row, Stage, Unfit
from benchmarks.rows.flood import TARGET, addresses
from tests.support.credentials import Credentials
from tests.support.seed import new_credentials

SAMPLES = 2000


def cliffs_delta(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Cliff's delta: how much more often one of `ours` is greater than one of `theirs` than less.

    -1 to 1; 0 where neither tends to be greater.
    """
    ordered = sorted(theirs)
    more = sum(
        bisect.bisect_left(ordered, each) - (len(ordered) - bisect.bisect_right(ordered, each))
        for each in ours
    )
    return more / (len(ours) * len(theirs))


def measure(server: Server, classes: dict[str, list[str]]) -> Figures:
    """Send one request of each class in turn, in random order.

    Each request comes from an address of its own, so that the guess limiter never refuses one.
    """
    samples: list[dict[str, Any]] = []
    sources = addresses()
    for number in range(SAMPLES):
        names = list(classes)
        random.shuffle(names)
        samples += [
            {
                "name": name,
                "source": next(sources),
                "request": bare("GET", TARGET, classes[name][number]),
            }
            for name in names
        ]
    saw = load("one_by_one", port=server.port, samples=samples)
    if any(set(statuses) != {"401"} for statuses in saw["statuses"].values()):
        raise Unfit(f"{saw['statuses']}")
    took: dict[str, list[float]] = saw["took"]
    deltas = {
        (one, other): cliffs_delta(took[one], took[other])
        for one, other in itertools.combinations(took, 2)
    }
    return {"delta": max(map(abs, deltas.values()))} | {
        f"p50 {name}": statistics.median(took[name]) for name in classes
    }


def sides(stage: Stage) -> dict[str, Measure]:
    upstream = stage.start(start.fixed_upstream())
    plain = seed(unhashed=SAMPLES)
    imported = [Credentials(f"imported{number}", "legacy-password") for number in range(SAMPLES)]
    mixed = seed(unhashed=SAMPLES, imported=imported)
    foreign = os.urandom(32)
    unknown = [new_credentials(foreign) for _ in range(SAMPLES)]
    known = [
        Credentials(pair.access_key, other.secret).authorization
        for pair, other in zip(plain.keys[1:], unknown, strict=True)
    ]
    forged = {"known": known, "unknown": [pair.authorization for pair in unknown]}

    def guess(access_key: str) -> str:
        return Credentials(access_key, secrets.token_hex(8)).authorization

    guessed = {
        "known": [guess(pair.access_key) for pair in mixed.keys[1:]],
        "imported": [guess(pair.access_key) for pair in imported],
        "unknown": [guess(pair.access_key) for pair in unknown],
    }
    return {
        "forged seals": functools.partial(measure, stage.start(gateway(plain, upstream)), forged),
        "guesses, keys imported": functools.partial(
            measure, stage.start(gateway(mixed, upstream)), guessed
        ),
    }


def alike(side: str) -> Goal:
    def of(found: Round) -> float:
        return found[side]["delta"]

    return Goal(f"Cliff's delta < 0.1, {side}", 0.1, of)


RANK = Row(
    name="rank",
    title="The duration of a refusal does not reveal its cause",
    method=f"{SAMPLES:,} refused requests of each class, in mixed order, each on a new connection "
    "from an address of its own. The classes differ in the access key: one that Wardgate made "
    "(known), one that was imported (bcrypt of cost 4), and one that does not exist (unknown). "
    "Cliff's delta of two classes is 0 where neither takes longer, and 1 or -1 where one always "
    "does; the table has the largest, without its sign.",
    figures={
        "delta": "largest Cliff's delta",
        "p50 known": "p50 of known keys, µs",
        "p50 imported": "p50 of imported keys, µs",
        "p50 unknown": "p50 of unknown keys, µs",
    },
    goals=(alike("forged seals"), alike("guesses, keys imported")),
    sides=sides,
    rounds=1,
    slow=True,
)

ROWS = (RANK,)
