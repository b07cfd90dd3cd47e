"""Several nodes with faults between and in them, for a while; then what was seen is checked.

`make chaos SEED=1 SECONDS=60 NODES=3` keeps the history; `python -m tests.chaos.check FILE` checks
it once more. The seed says which faults come, in which order and how long; what happens meanwhile
depends on the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Final, TypeVar

from admin.cli.audit_chain import verify
from tests.chaos.check import check, summary
from tests.chaos.faults import NODE, STORE, WORKERS, Node
from tests.chaos.history import Audit, Fault, History
from tests.chaos.people import People
from tests.chaos.site import Site, site

T = TypeVar("T")

LEASE: Final = 5.0
MOST_IN_STORE: Final = 4.0
"""Seconds of a fault in the store: after the lease, no node would have anything to do."""
CLIENTS: Final = 2
"""At each node."""
ADMINISTRATORS: Final = 3
CALM: Final = 4
"""Usual delays without a fault, after all others."""


async def run(
    folder: Path, *, seed: int, seconds: float, nodes: int, usual: float, workers: int = 1
) -> History:
    """What happened in a run. `usual`: see `History`; `workers`: of each node."""
    history = History(LEASE, usual)
    async with site(folder, nodes, LEASE, workers=workers) as here:
        gate = here.gates[0]
        _, _, made = await here.call(gate, "POST", "/projects", {"name": "demo", "slug": "demo"})
        people = People(here, history, random.Random(f"{seed} people"), made["id"])
        async with asyncio.TaskGroup() as group:
            for each in here.gates:
                for _ in range(CLIENTS):
                    group.create_task(people.client(each))
            for _ in range(ADMINISTRATORS):
                group.create_task(people.administrator())
            await asyncio.sleep(1)
            await asyncio.gather(
                in_nodes(here, history, random.Random(f"{seed} nodes"), seconds, in_node(workers)),
                in_the_store(here, history, random.Random(f"{seed} store"), seconds),
            )
            for each in here.gates:
                await here.serves(each)
                history.restarts += each.restarts
            await asyncio.sleep(CALM * usual)
            people.over = True
        await people.end()
        history.audit = await audit_of(here)
    return history


def in_node(workers: int) -> tuple[Node, ...]:
    """The faults that there are in a node with so many workers."""
    return NODE if workers == 1 else (*NODE, *WORKERS)


def plan(chance: random.Random, seconds: float, kinds: int) -> Iterator[tuple[float, float]]:
    """(seconds of a fault, of the pause after it), until they are as many as given. The first ones
    leave time for each kind of fault."""
    for place in count():
        share = seconds / max(1, kinds - place)
        length = min(chance.choice((0.5, 2.0, 4.0, LEASE + 2)), share)
        pause = min(chance.uniform(0, length), share - length)
        yield length, pause
        seconds -= length + pause
        if seconds <= 0:
            return


async def in_nodes(
    here: Site, history: History, chance: random.Random, seconds: float, kinds: Sequence[Node]
) -> None:
    """One fault after another, each at one node."""
    faults = shuffled(kinds, chance)
    for length, pause in plan(chance, seconds, len(kinds)):
        gate, fault = chance.choice(here.gates), next(faults)
        start = time.monotonic()
        await fault(gate, length)
        history.faults.append(Fault(fault.__name__, gate.name, start, time.monotonic()))
        await asyncio.sleep(pause)


async def in_the_store(here: Site, history: History, chance: random.Random, seconds: float) -> None:
    """One fault after another in PostgreSQL, half of the time none."""
    faults = shuffled(STORE, chance)
    for length, pause in plan(chance, seconds / 2, len(STORE)):
        fault = next(faults)
        start = time.monotonic()
        await fault(here, min(length, MOST_IN_STORE))
        history.faults.append(Fault(fault.__name__, "store", start, time.monotonic()))
        await asyncio.sleep(length + 2 * pause)


def injected(history: History, workers: int) -> str:
    """How often there was each fault, and what a supervisor had to do."""
    seen = Counter(each.kind for each in history.faults)
    kinds = sorted(each.__name__ for each in (*in_node(workers), *STORE))
    faults = ", ".join(f"{kind} {seen[kind]}" for kind in kinds)
    return (
        f"faults: {faults}\nnodes that ended by themselves and were restarted: {history.restarts}"
    )


def shuffled(faults: Sequence[T], chance: random.Random) -> Iterator[T]:
    """All of them in a random order, again and again."""
    while True:
        yield from chance.sample(faults, len(faults))


async def audit_of(here: Site) -> Audit:
    """The whole audit log, read at the last node and verified as `wardgate audit verify` does."""
    entries: list[Any] = []
    path: str | None = "/auditlogs?sort=sequence&order=asc&limit=1000"
    while path is not None:
        _, _, page = await here.call(here.gates[-1], "GET", path)
        entries += page["data"]
        following = page["pagination"]["next"]
        path = following and following.partition("/v1")[2]
    return Audit([each["requestId"] for each in entries], verify(entries, None).problems)


def main() -> None:
    """Run, keep the history, print a line for each rule; exit 1 where one is broken."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--usual", type=float, default=3, help="0: not checked, on a busy machine")
    parser.add_argument("--workers", type=int, default=1, help="of each node")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="wardgate-chaos-"))
    print(f"chaos with seed {given.seed}, in {folder}", flush=True)
    history = asyncio.run(run(folder, **vars(given)))
    history.write(folder / "history")
    found = check(history)
    print(summary(history, found))
    print(injected(history, given.workers))
    print(f"python -m tests.chaos.check {folder}/history  # checks it again")
    sys.exit(1 if any(found.values()) else 0)


if __name__ == "__main__":
    main()
