"""What a person does to a PostgreSQL store while its nodes are upgraded one by one.

Tested in `tests/proxy/store/postgres/test_upgrade.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg

from proxy.domain.lease import boottime
from proxy.store.postgres.address import SCHEMA, Address
from proxy.store.postgres.connection import FAILURES, LOCK, MOST_SECONDS, cause_of
from proxy.store.postgres.schema import migrate, newest_schema, state_of
from proxy.store.protocols import StoreError
from proxy.store.state import NodeState, StoreState, require_usable

_MIGRATION_SECONDS: Final = 3600.0
"""For one statement of a migration: a million keys take seconds."""
_MARGIN: Final = 1.01
"""How much longer than a lease is waited for: clocks differ in rate (`proxy.cluster.follower`)."""
_LOOK: Final = 0.5
"""Seconds between two looks at whether a node is alive."""
_NODES: Final = f"SELECT to_regclass('{SCHEMA}.nodes') IS NOT NULL"


async def store_status(address: Address) -> StoreState:
    """What the store says of itself, whichever its schema. Raises `StoreError`."""
    async with _connected(address, MOST_SECONDS) as connection:
        state = await _state(connection, address)
        nodes = []
        if await connection.fetchval(_NODES):
            nodes = [
                dict(row) for row in await connection.fetch("SELECT * FROM nodes ORDER BY name")
            ]
        return StoreState(
            str(address),
            state["schema"],
            newest_schema(),
            state.get("min_schema"),
            state.get("store_id"),
            state["revision"],
            state.get("moved_to"),
            [
                NodeState(
                    node["name"],
                    node.get("version"),
                    node.get("schema"),
                    node["left_at"] is not None,
                )
                for node in nodes
            ],
        )


async def migrate_store(address: Address) -> tuple[int, int]:
    """Bring the store to the newest schema that this program knows. Returns the numbers of the
    schema before and after. Raises `StoreError`."""
    async with _connected(address, _MIGRATION_SECONDS) as connection:
        await _state(connection, address)
        return await migrate(connection)


async def finish_upgrade(
    address: Address,
    *,
    waiting: Callable[[str, float], None] = lambda *_: None,
    clock: Callable[[], float] = boottime,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> tuple[int, int]:
    """Have no program use the store any more that does not know its schema. Returns the number of
    the oldest schema that a program had to know before, and has to know now.

    A node of an older one has to have left, or its beats have to stand still for as long as its
    lease: `waiting` is called with its name and the seconds that this may take. Raises `StoreError`
    where one is alive.
    """
    async with _connected(address, MOST_SECONDS) as connection:
        state = await _state(connection, address)
        require_usable(str(address), newest_schema(), state)
        schema = state["schema"]
        for node in await _older_nodes(connection, schema):
            await _require_dead(connection, node, waiting, clock, sleep)
        async with connection.transaction():
            await connection.fetchval(LOCK)
            await connection.execute("UPDATE meta SET min_schema = $1", schema)
        return state["min_schema"], schema


async def _older_nodes(connection: asyncpg.Connection, schema: int) -> list[dict[str, Any]]:
    sql = (
        "SELECT id, name, version, beat, lease_ms FROM nodes "
        "WHERE left_at IS NULL AND coalesce(schema, 0) < $1 ORDER BY name"
    )
    return [dict(row) for row in await connection.fetch(sql, schema)]


async def _require_dead(
    connection: asyncpg.Connection,
    node: dict[str, Any],
    waiting: Callable[[str, float], None],
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]],
) -> None:
    """Whether a node is alive, only its beats can tell, by our own clock."""
    lease = node["lease_ms"] / 1000 * _MARGIN
    waiting(node["name"], lease)
    until = clock() + lease
    while clock() < until:
        await sleep(_LOOK)
        sql = "SELECT beat, left_at IS NOT NULL AS ended FROM nodes WHERE id = $1"
        seen = await connection.fetchrow(sql, node["id"])
        if seen is None or seen["ended"]:
            return
        if seen["beat"] != node["beat"]:
            raise StoreError(
                f"the node {node['name']} still runs version {node['version'] or '?'}, which does "
                "not know this schema: upgrade or stop it first"
            )


async def _state(connection: asyncpg.Connection, address: Address) -> dict[str, Any]:
    state = await state_of(connection, address)
    if state is None:
        raise StoreError(f"there is no store at {address}: run `wardgate init --config FILE` first")
    return state


@asynccontextmanager
async def _connected(address: Address, seconds: float) -> AsyncIterator[asyncpg.Connection]:
    try:
        connection = await address.connect(seconds)
        try:
            yield connection
        finally:
            await connection.close()
    except FAILURES as error:
        raise StoreError(f"store {address} cannot be used: {cause_of(error)}") from None
