"""A steady load for long, samples of what the nodes use meanwhile, and whether that is flat.

`make soak MINUTES=30` has two nodes with two workers each, over PostgreSQL; with `--store sqlite`
it is one process. Each node gets some 130 requests a second from its clients, its administrators
are at work, too, and every minute its access log is exchanged and its configuration read anew
(SIGHUP). The samples are kept as JSON, and drawn as SVG. `tests.soak.judge` says what is flat.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import resource
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, get_args

import uvloop
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

from tests.soak.administrators import RENEWALS, Administrators
from tests.soak.clients import CONNECTIONS, Act, Clients
from tests.soak.judge import Load, Series
from tests.soak.place import Node, Place, Store, place
from tests.soak.plot import draw
from tests.soak.readings import of_latency, of_processes
from tests.soak.record import Record
from tests.soak.seen import Keys, Seen

LIMITS: Final = {"rate": "5/s", "burst": 10, "quota": "1000000/day"}
KEPT: Final = 16
"""Connections to each server that are kept. Without a limit, each time that a machine stands still
for a moment would leave more of them, and each has its memory at the other end."""
RELOAD: Final = 60.0
"""Seconds between two reloads of a node."""
PATIENT: Final = ClientTimeout(total=30)


async def run(folder: Path, store: Store, seconds: float, every: float) -> Record:
    """What was measured under the load for so many seconds, with a sample `every` few."""
    async with AsyncExitStack() as open_:
        here = await asyncio.to_thread(open_.enter_context, place(folder, store))
        jar = DummyCookieJar()
        kept, new = [
            await open_.enter_async_context(
                ClientSession(connector=connector, cookie_jar=jar, timeout=PATIENT)
            )
            for connector in (
                TCPConnector(limit=0, limit_per_host=KEPT),
                TCPConnector(limit=0, force_close=True),
            )
        ]
        keys, seen = Keys(), Seen()
        await Administrators(here.nodes[0], here.admin, keys, seen, kept).begin(LIMITS)
        end = time.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            for node in here.nodes:
                clients = Clients(node, keys, seen, kept, new)
                administrators = Administrators(node, here.admin, keys, seen, kept)
                for what, rate in [*clients.does, *administrators.does]:
                    group.create_task(steadily(group, what, rate, end))
                group.create_task(reloads(node, end))
            samples = await sample(here, seen, end, every)
            seen.over = True
    nodes = len(here.nodes)
    requests = sum(seen.answers.values()) / seconds / nodes
    load = Load(requests, CONNECTIONS, RENEWALS * nodes, 1 / RELOAD)
    return Record(store, seconds, load, samples, dict(seen.answers), dict(seen.unexpected))


async def steadily(group: asyncio.TaskGroup, what: Act, rate: float, end: float) -> None:
    """Begin something so often in a second, at random moments, whether or not the one before has
    come to its end."""
    while time.monotonic() < end:
        await asyncio.sleep(random.expovariate(rate))
        group.create_task(what())


async def reloads(node: Node, end: float) -> None:
    """Reload a node again and again."""
    while time.monotonic() + RELOAD < end:
        await asyncio.sleep(RELOAD)
        node.reload()


async def sample(here: Place, seen: Seen, end: float, every: float) -> dict[str, Series]:
    """Read all nodes every few seconds."""
    start = time.monotonic()
    samples: dict[str, list[tuple[float, float]]] = defaultdict(list)
    while time.monotonic() < end:
        await asyncio.sleep(every)
        latencies, seen.latencies = seen.latencies, []
        values = of_latency(latencies)
        for node in here.nodes:
            found = await asyncio.to_thread(of_processes, node)
            found["entries"] = seen.entries.get(node.name, 0.0)
            values |= {f"{node.name} {name}": value for name, value in found.items()}
        at = round(time.monotonic() - start, 1)
        for name, value in values.items():
            samples[name].append((at, value))
    return {**samples}


def main() -> None:
    """Run, write the samples and the plot, print a line for each series; exit 1 where one is not
    flat, or an answer was not as it should be."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--store", choices=get_args(Store), default="postgres")
    parser.add_argument("--every", type=float, default=5, help="seconds between two samples")
    parser.add_argument("--out", type=Path, help="without a suffix; default: in a new folder")
    given = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    folder = Path(tempfile.mkdtemp(prefix="wardgate-soak-"))
    print(f"soak for {given.minutes:g} minutes over {given.store}, in {folder}", flush=True)
    record = uvloop.run(run(folder, given.store, given.minutes * 60, given.every))
    out = given.out or folder / f"soak-{given.store}"
    record.write(out.with_suffix(".json"))
    out.with_suffix(".svg").write_text(draw(record))
    print(record.summary)
    print(f"written: {out}.json, {out}.svg")
    sys.exit(0 if record.good else 1)


if __name__ == "__main__":
    main()
