"""A million keys in SQLite and in PostgreSQL, and copying them from one to the other."""

from __future__ import annotations

import functools
import sqlite3
import statistics
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks import postgres
from benchmarks.gateway import FIRST_ENVIRONMENT, Seeded, gateway, seed
from benchmarks.machine import memory, peak_memory
from benchmarks.peers import start
from benchmarks.processes import Server, ask, load
from benchmarks.requests import bare
from benchmarks.row import FAILURES, Figures, Goal, Measure, Round, Row, Stage, Unfit, ratio
from benchmarks.rows.flood import TARGET
from benchmarks.wrk import wrk

MILLION = 1_000_000
FIRST_USES = 200
STORES = ("SQLite", "PostgreSQL")


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


@functools.cache
def million_in_postgres() -> tuple[str, Figures]:
    """The same in a database of PostgreSQL, and what it took to copy it there."""
    million()
    print("  copying it to PostgreSQL ...", flush=True)
    return postgres.copy(million())


# --- a million keys ------------------------------------------------------------------------------


def many_sides(stage: Stage) -> dict[str, Measure]:
    upstream = stage.start(start.fixed_upstream())
    few = seed(keys=FIRST_USES + 1)
    fill(few.path, 1000)
    sides = {"SQLite, 1,000 keys": (few, ""), "SQLite, 1,000,000 keys": (million(), "")}
    try:
        sides["PostgreSQL, 1,000 keys"] = (few, postgres.copy(few)[0])
        sides["PostgreSQL, 1,000,000 keys"] = (million(), million_in_postgres()[0])
    except FAILURES as error:
        stage.leave_out("PostgreSQL", str(error))
    return {name: functools.partial(measure, upstream, *store, stage.seconds)
            for name, store in sides.items()}  # fmt: skip


def measure(upstream: Server, seeded: Seeded, url: str, seconds: int) -> Figures:
    """Measure a gateway on a store with these keys: the one at `url`, if any."""
    settings: dict[str, Any] = {"store": url} if url else {}
    began = time.monotonic()
    with gateway(seeded, upstream, **settings) as server:
        if ask(server.port, server.authorization)[0] != 200:
            raise Unfit("the gateway does not serve")
        ready = time.monotonic() - began
        first = first_uses(server, seeded)
        warm = wrk(server, max(1, seconds // 2))  # and all the more rounds
        return {
            "ready_s": ready,
            "first_ms": first,
            "cpu_us": warm["cpu_us"],
            "memory_mb": memory(server.pid) / 1e6,
            "peak_mb": peak_memory(server.pid) / 1e6,
        }


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


def of_million(store: str, figure: str) -> Callable[[Round], float]:
    return lambda found: found[f"{store}, 1,000,000 keys"][figure]


def goals(store: str) -> tuple[Goal, ...]:
    def between(figure: str) -> Callable[[Round], float]:
        return ratio(figure, f"{store}, 1,000,000 keys", f"{store}, 1,000 keys")

    return (
        Goal(f"{store}: first answer in < 5 s", 5, of_million(store, "ready_s")),
        Goal(
            f"{store}: CPU per request with a key in use ≤ 1.05 × that with 1,000 keys",
            1.05,
            between("cpu_us"),
        ),
        Goal(f"{store}: first use of a key ≤ 1.2 × that with 1,000 keys", 1.2, between("first_ms")),
        Goal(f"{store}: peak memory < 300 MB", 300, of_million(store, "peak_mb")),
    )


MANY = Row(
    name="million",
    title="1,000,000 keys in the store",
    method="The gateway is started, and the time to its first answer is measured. Then "
    f"{FIRST_USES} keys are used for the first time, one after the other, with bcrypt of cost 4 so "
    "that the hash takes little of the time. Then wrk repeats a request with one key, and the "
    "memory is read. SQLite's file is in the page cache. PostgreSQL may use both cores; its CPU "
    "and its memory do not count.",
    figures={
        "first_ms": "first use of a key, p50, ms",
        "ready_s": "time to the first answer, s",
        "cpu_us": "CPU per request with a key in use, µs",
        "memory_mb": "memory (PSS), MB",
        "peak_mb": "peak memory, MB",
    },
    goals=tuple(goal for store in STORES for goal in goals(store)),
    sides=many_sides,
    rounds=3,
    slow=True,
)


# --- copying them --------------------------------------------------------------------------------

WAY = "SQLite to PostgreSQL"


def copy_sides(_: Stage) -> dict[str, Measure]:
    return {WAY: lambda: million_in_postgres()[1]}


COPY = Row(
    name="copy",
    title="1,000,000 keys are copied from SQLite to PostgreSQL",
    method="`wardgate store copy` copies the store of the row above, and reads all of it again in "
    "the new place to verify it. Both it and PostgreSQL may use both cores. PostgreSQL does not "
    "wait for its disk here (fsync off).",
    figures={
        "seconds": "from start to exit, s",
        "cpu_s": "CPU of the command, s",
        "peak_mb": "its peak memory, MB",
    },
    goals=(Goal("< 60 s", 60, lambda found: found[WAY]["seconds"]),),
    sides=copy_sides,
    rounds=1,
    slow=True,
)

ROWS = (MANY, COPY)
