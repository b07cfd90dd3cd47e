"""Whether the time of a refusal tells which refusal it is: a rank test of their classes."""

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

from benchmarks.gateway import Pair, basic, gateway, sealed_pair, seed
from benchmarks.peers import start
from benchmarks.processes import Server, load
from benchmarks.requests import bare
from benchmarks.row import Figures, Goal, Measure, Round, Row, Stage, Unfit
from benchmarks.rows.flood import TARGET, addresses

SAMPLES = 2000


def cliffs_delta(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """How much more often one of ours is the greater than the lesser: -1 to 1, 0 for alike."""
    ordered = sorted(theirs)
    more = sum(
        bisect.bisect_left(ordered, each) - (len(ordered) - bisect.bisect_right(ordered, each))
        for each in ours
    )
    return more / (len(ours) * len(theirs))


def measure(server: Server, classes: dict[str, list[str]]) -> Figures:
    """One sample of each class after the other, in an order that changes; each from an address of
    its own, so that no budget is ever spent."""
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
    imported = [Pair(f"imported{number}", "legacy-password") for number in range(SAMPLES)]
    mixed = seed(unhashed=SAMPLES, imported=imported)
    foreign = os.urandom(32)
    unknown = [sealed_pair(foreign) for _ in range(SAMPLES)]
    known = [
        basic(pair.access_key, other.secret)
        for pair, other in zip(plain.keys[1:], unknown, strict=True)
    ]
    forged = {"known": known, "unknown": [pair.authorization for pair in unknown]}

    def guess(access_key: str) -> str:
        return basic(access_key, secrets.token_hex(8))

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

    return Goal(f"Cliff's delta < 0.1 either way, {side}", 0.1, of)


RANK = Row(
    name="rank",
    title="Refusals cannot be told apart by their time",
    method=f"{SAMPLES:,} samples a class, interleaved, each on a connection and from an address of "
    "its own; the largest Cliff's delta, without its sign, between two classes. Classes: an access "
    "key of ours, an imported one (bcrypt of cost 4), one that nobody has.",
    figures={
        "delta": "largest Cliff's delta",
        "p50 known": "p50 of known keys, µs",
        "p50 imported": "p50 of imported keys, µs",
        "p50 unknown": "p50 of unknown keys, µs",
    },
    goals=(alike("forged seals"), alike("guesses, keys imported")),
    sides=sides,
    rounds=1,
)

ROWS = (RANK,)
