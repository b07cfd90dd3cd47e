"""The store: a million keys, changes of a key, lists of keys."""

from __future__ import annotations

import asyncio
import functools
import json
import sqlite3
import statistics
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.gateway import FIRST_ENVIRONMENT, Seeded, gateway, opened, seed
from benchmarks.machine import memory, peak_memory
from benchmarks.peers import start
from benchmarks.processes import Server, ask, free_port, load
from benchmarks.requests import bare
from benchmarks.row import Figures, Goal, Measure, Round, Row, Stage, Unfit, ratio
from benchmarks.rows.flood import TARGET
from benchmarks.wrk import wrk
from proxy.domain.model import Key
from proxy.store.protocols import Store
from proxy.store.query import Cursor, Query

MILLION = 1_000_000
FIRST_USES = 200
PAGE = 100


def fill(path: Path, total: int) -> None:
    """Add keys to a store until it has `total`. All of them get one hash that fits no secret."""
    with closing(sqlite3.connect(path)) as db:
        (there,) = db.execute("SELECT max(id) FROM keys").fetchone()
        indexes = db.execute(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'index' "
            "AND tbl_name IN ('keys', 'uses') AND sql IS NOT NULL"
        ).fetchall()
        for name, _ in indexes:  # created again at the end, which is much faster
            db.execute(f"DROP INDEX {name}")
        hashed, now = b"$2b$04$" + b"." * 53, time.time_ns() // 1_000_000
        db.executemany(
            "INSERT INTO keys (id, uuid, access_key, secret_hash, sealed, account_id, "
            "environment_id, role, name, state, created) "
            "VALUES (?1, 'k' || ?1, ?2, ?3, 1, NULL, ?4, 'owner', 'key ' || ?1, 'active', ?5 + ?1)",
            (
                (number, f"{number:020X}", hashed, FIRST_ENVIRONMENT, now)
                for number in range(there + 1, total + 1)
            ),
        )
        db.execute(
            "INSERT INTO uses (key_id, owner_id) SELECT id, owner_id FROM keys WHERE id > ?",
            (there,),
        )
        db.execute("UPDATE counters SET value = ? WHERE name = 'key'", (total,))
        for _, sql in indexes:
            db.execute(sql)
        db.commit()


@functools.cache
def million() -> Seeded:
    """A store with a million keys, of which some have a known secret. Made once in a run."""
    print("  making a store with 1,000,000 keys ...", flush=True)
    seeded = seed(keys=FIRST_USES + 1)
    fill(seeded.path, MILLION)
    return seeded


# --- a million keys ------------------------------------------------------------------------------


def many_sides(stage: Stage) -> dict[str, Measure]:
    upstream = stage.start(start.fixed_upstream())
    few = seed(keys=FIRST_USES + 1)
    fill(few.path, 1000)
    stores = {"1,000 keys": few, "1,000,000 keys": million()}

    def measure(seeded: Seeded) -> Figures:
        began = time.monotonic()
        with gateway(seeded, upstream) as server:
            if ask(server.port, server.authorization)[0] != 200:
                raise Unfit("the gateway does not serve")
            ready = time.monotonic() - began
            first = first_uses(server, seeded)
            warm = wrk(server, stage.seconds)
            return {
                "ready_s": ready,
                "first_ms": first,
                "cpu_us": warm["cpu_us"],
                "memory_mb": memory(server.pid) / 1e6,
                "peak_mb": peak_memory(server.pid) / 1e6,
            }

    return {name: functools.partial(measure, seeded) for name, seeded in stores.items()}


def first_uses(server: Server, seeded: Seeded) -> float:
    """The median duration of a key's first request, in milliseconds."""
    samples = [
        {"name": "first", "source": "127.0.0.1", "request": bare("GET", TARGET, pair.authorization)}
        for pair in seeded.keys[1:]
    ]
    saw = load("one_by_one", port=server.port, samples=samples)
    if set(saw["statuses"]["first"]) != {"200"}:
        raise Unfit(f"{saw['statuses']}")
    took: list[float] = saw["took"]["first"]
    return statistics.median(took) / 1000


def between(figure: str) -> Any:
    return ratio(figure, "1,000,000 keys", "1,000 keys")


def of_million(figure: str) -> Any:
    def of(found: Round) -> float:
        return found["1,000,000 keys"][figure]

    return of


MANY = Row(
    name="million",
    title="1,000,000 keys in the store",
    method="The gateway is started, and the time to its first answer is measured. Then "
    f"{FIRST_USES} keys are used for the first time, one after the other, with bcrypt of cost 4 so "
    "that the hash takes little of the time. Then wrk repeats a request with one key, and the "
    "memory is read. The store's file is in the page cache.",
    figures={
        "first_ms": "first use of a key, p50, ms",
        "ready_s": "time to the first answer, s",
        "cpu_us": "CPU per request with a key in use, µs",
        "memory_mb": "memory (PSS), MB",
        "peak_mb": "peak memory, MB",
    },
    goals=(
        Goal("first answer in < 5 s", 5, of_million("ready_s")),
        Goal(
            "CPU per request with a key in use ≤ 1.05 × that with 1,000 keys",
            1.05,
            between("cpu_us"),
        ),
        Goal("first use of a key ≤ 1.2 × that with 1,000 keys", 1.2, between("first_ms")),
        Goal("peak memory < 300 MB", 300, of_million("peak_mb")),
    ),
    sides=many_sides,
    rounds=3,
)


# --- changes -------------------------------------------------------------------------------------

CHANGES = 100


def change_sides(stage: Stage) -> dict[str, Measure]:
    upstream = stage.start(start.fixed_upstream())
    api = free_port()
    seeded = seed()
    server = stage.start(gateway(seeded, upstream, api=api), locked=True)

    def apply(action: str) -> float:
        url = f"http://127.0.0.1:{api}/v2-beta/apikeys/1c2/?action={action}"
        fields = {"Authorization": seeded.admin.authorization}
        began = time.monotonic()
        with urllib.request.urlopen(urllib.request.Request(url, b"", fields)) as answer:
            json.load(answer)
        return time.monotonic() - began

    def measure() -> Figures:
        stale, took = 0, []
        for number in range(CHANGES):
            action, status = (("deactivate", 401), ("activate", 200))[number % 2]
            took.append(apply(action))
            stale += ask(server.port, server.authorization)[0] != status
        return {"stale": stale, "change_ms": statistics.median(took) * 1000}

    return {"gateway": measure}


CHANGE = Row(
    name="change",
    title="The gateway applies a change of a key to the next request",
    method=f"{CHANGES} times the admin server deactivates or activates a key, and after its answer "
    "one request is sent with that key.",
    figures={
        "stale": "requests decided by the old state",
        "change_ms": "the admin server's answer, p50, ms",
    },
    goals=(
        Goal("no request is decided by the old state", 0, lambda found: found["gateway"]["stale"]),
    ),
    sides=change_sides,
    rounds=1,
)


# --- lists ---------------------------------------------------------------------------------------


async def steps(path: Path, sort: str) -> Figures:
    """Steps of SQLite's virtual machine for page 1, page 2 and page 10,000 of a list."""
    store = await opened(path)
    try:
        return {
            "first": await _steps(store, Query(sort, limit=PAGE)),
            "second": await _steps(
                store, Query(sort, limit=PAGE, after=await _behind(store, sort, PAGE))
            ),
            "last": await _steps(
                store, Query(sort, limit=PAGE, after=await _behind(store, sort, -PAGE))
            ),
        }
    finally:
        await store.close()


async def _behind(store: Store, sort: str, count: int) -> Cursor:
    """The cursor behind the first `count` records of a list; -N: the cursor before the last N."""
    query = Query(sort, count < 0, count if count > 0 else 1 - count)
    last: Key = (await store.list_keys(query)).records[-1]
    return Cursor(getattr(last, sort), last.id)


async def _steps(store: Store, query: Query) -> int:
    counter: Iterator[int] = iter(range(10**9))
    database: Any = store._lists._db  # type: ignore[attr-defined]
    await database.set_progress_handler(lambda: next(counter) < 0, 1)
    found = await store.list_keys(query)
    await database.set_progress_handler(None, 1)
    if len(found.records) != PAGE:
        raise Unfit(f"{len(found.records)} records on a page")
    return next(counter)


def list_sides(_: Stage) -> dict[str, Measure]:
    def measure(sort: str) -> Figures:
        return asyncio.run(steps(million().path, sort))

    return {f"by {sort}": functools.partial(measure, sort) for sort in ("id", "name", "created")}


def constant(found: Round) -> float:
    """The greatest difference between the last page and the first, in percent of the first."""
    return max(
        abs(figures["last"] - figures["first"]) / figures["first"] * 100
        for figures in found.values()
    )


LIST = Row(
    name="list",
    title="The admin server's list of 1,000,000 keys",
    method="A figure is the number of steps that SQLite's virtual machine executes for one page of "
    f"{PAGE} keys, in each order of the list. Unlike a time, it is the same on every machine.",
    figures={"last": "steps for page 10,000", "first": "for page 1", "second": "for page 2"},
    goals=(Goal("page 10,000 within ± 5 % of page 1", 5, constant),),
    sides=list_sides,
    rounds=1,
)

ROWS = (MANY, CHANGE, LIST)
