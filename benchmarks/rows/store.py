"""The store: changes of a key, lists of keys."""

from __future__ import annotations

import asyncio
import functools
import json
import statistics
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeAlias

from benchmarks import postgres
from benchmarks.gateway import gateway, seed
from benchmarks.peers import start
from benchmarks.processes import ask, free_port
from benchmarks.row import Figures, Goal, Measure, Round, Row, Stage, Unfit
from benchmarks.rows.million import million, million_in_postgres
from proxy.domain.model import Key
from proxy.store.open import open_store
from proxy.store.protocols import Store
from proxy.store.query import Cursor, Query
from tests.support.credentials import Credentials

PAGE = 100

# --- changes -------------------------------------------------------------------------------------

CHANGES = 100


def act(api: int, admin: Credentials, action: str) -> float:
    """Have the admin server do that to the first key of a seeded store. Returns the seconds that
    it took."""
    url = f"http://127.0.0.1:{api}/v2-beta/apikeys/1c2/?action={action}"
    fields = {"Authorization": admin.authorization}
    began = time.monotonic()
    with urllib.request.urlopen(urllib.request.Request(url, b"", fields)) as answer:
        json.load(answer)
    return time.monotonic() - began


def change_sides(stage: Stage) -> dict[str, Measure]:
    upstream = stage.start(start.fixed_upstream())
    api = free_port()
    seeded = seed()
    server = stage.start(gateway(seeded, upstream, api=api), locked=True)

    def measure() -> Figures:
        stale, took = 0, []
        for number in range(CHANGES):
            action, status = (("deactivate", 401), ("activate", 200))[number % 2]
            took.append(act(api, seeded.admin, action))
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


Cost: TypeAlias = Callable[[Any, Query], Awaitable[int]]
"""What one page of a list of keys costs in an open store."""


async def costs(url: str, sort: str, cost: Cost) -> Figures:
    """What page 1, page 2 and page 10,000 of the list cost in the store at `url`."""
    store = await open_store(url)
    try:
        places = {
            "first": None,
            "second": await _behind(store, sort, PAGE),
            "last": await _behind(store, sort, -PAGE),
        }
        return {
            name: await cost(store, Query(sort, limit=PAGE, after=place))
            for name, place in places.items()
        }
    finally:
        await store.close()


async def _behind(store: Store, sort: str, count: int) -> Cursor:
    """The cursor behind the first `count` records of a list; -N: the cursor before the last N."""
    query = Query(sort, count < 0, count if count > 0 else 1 - count)
    last: Key = (await store.list_keys(query)).records[-1]
    return Cursor(getattr(last, sort), last.id)


async def steps(store: Any, query: Query) -> int:
    """Steps of SQLite's virtual machine."""
    counter: Iterator[int] = iter(range(10**9))
    database = store._lists.db
    await database.set_progress_handler(lambda: next(counter) < 0, 1)
    await _page(store, query)
    await database.set_progress_handler(None, 1)
    return next(counter)


async def blocks(store: Any, query: Query) -> int:
    """Blocks that PostgreSQL reads, from its cache or the disk."""
    asked: list[Any] = []
    list_rows = store.list_rows

    async def noted(sql: str, *values: Any) -> Any:
        asked.append((sql, *values))
        return await list_rows(sql, *values)

    store.list_rows = noted
    await _page(store, query)
    store.list_rows = list_rows
    total = 0
    for sql, *values in asked:
        ((plan,),) = await list_rows(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", *values)
        root = json.loads(plan)[0]["Plan"]  # counts what is below it, too
        total += root["Shared Hit Blocks"] + root["Shared Read Blocks"]
    return total


async def _page(store: Store, query: Query) -> None:
    found = await store.list_keys(query)
    if len(found.records) != PAGE:
        raise Unfit(f"{len(found.records)} records on a page")


def _sides(url: Callable[[], str], cost: Cost) -> dict[str, Measure]:
    def measure(sort: str) -> Figures:
        return asyncio.run(costs(url(), sort, cost))

    return {f"by {sort}": functools.partial(measure, sort) for sort in ("id", "name", "created")}


def _vacuumed() -> str:
    """The URL of a million keys in PostgreSQL, of which the rows before may have used some."""
    url, _ = million_in_postgres()
    postgres.vacuum(url)
    return url


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
    sides=lambda _: _sides(lambda: f"sqlite:///{million().path}", steps),
    rounds=1,
    slow=True,
)
LIST_IN_POSTGRES = Row(
    name="list_postgres",
    title="The admin server's list of 1,000,000 keys in PostgreSQL",
    method="As above, but a figure is the number of blocks (8 KB) of tables and indexes that "
    "PostgreSQL reads for one page, from its cache or from the disk, once it has removed the old "
    "versions of rows (VACUUM): a key that was just used takes one more block until then.",
    figures={"last": "blocks for page 10,000", "first": "for page 1", "second": "for page 2"},
    goals=(Goal("page 10,000 within ± 5 % of page 1", 5, constant),),
    sides=lambda _: _sides(_vacuumed, blocks),
    rounds=1,
    slow=True,
)

ROWS = (CHANGE, LIST, LIST_IN_POSTGRES)
