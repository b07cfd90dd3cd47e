"""The changes of a PostgreSQL store, told as they are pulled over one connection.

The rule that lives here: each revision has a random number, its nonce, and a pull asks from the
revision on that was applied last, with it. Where that has another nonce or is missing, history is
not the one that was followed (a standby took over that had not got it, or a backup was restored),
or it was too long ago: then everything that is known is dropped.

What is told are the records as they are now, not as they were: to apply them late, or twice, does
no harm (`proxy.auth.records`).

Tested in `test_feed.py`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from typing import Any, Final
from uuid import UUID

import asyncpg

from proxy.domain.errors import StoreUnavailable
from proxy.store.feed import NodeIdentity, NodeRow
from proxy.store.postgres.connection import FAILURES, Connect, end, meaning
from proxy.store.protocols import Changes, Listener
from proxy.store.sql.rows import (
    ACCOUNT,
    ENVIRONMENT,
    KEY,
    MEMBERSHIP,
    to_account,
    to_environment,
    to_key,
    to_membership,
)

log = logging.getLogger("wardgate")

CHANNEL: Final = "wardgate"
MOST: Final = 2_000
"""Changes that are read at once. Who is further behind drops all, and loads what it needs."""

_WIDTHS: Final = [len(columns.split(", ")) for columns in (ACCOUNT, ENVIRONMENT, KEY, MEMBERSHIP)]


def _of(alias: str, columns: str) -> str:
    return ", ".join(f"{alias}.{name}" for name in columns.split(", "))


_PULLED: Final = (
    "SELECT meta.revision, head.nonce, "
    "c.revision, c.nonce, c.kind, c.id, c.other, c.name, s.value, "
    f"{_of('a', ACCOUNT)}, {_of('e', ENVIRONMENT)}, {_of('k', KEY)}, {_of('m', MEMBERSHIP)} "
    "FROM meta JOIN changes head ON head.revision = meta.revision AND head.ordinal = 0 "
    "LEFT JOIN (SELECT * FROM changes WHERE revision >= $1 AND (revision > $1 OR ordinal = 0) "
    "ORDER BY revision, ordinal LIMIT $2) c "
    "ON true "
    "LEFT JOIN accounts a ON c.kind = 'a' AND a.id = c.id "
    "LEFT JOIN environments e ON c.kind = 'e' AND e.id = c.id "
    "LEFT JOIN keys k ON c.kind = 'k' AND k.id = c.id "
    "LEFT JOIN memberships m "
    "ON c.kind = 'm' AND m.account_id = c.id AND m.environment_id = c.other "
    "LEFT JOIN settings s ON c.kind = 's' AND s.name = c.name "
    "ORDER BY c.revision, c.ordinal"
)
_BEAT: Final = (
    "WITH beat AS (UPDATE nodes SET beat = beat + 1, applied = $3, "
    "settled = CASE WHEN EXISTS (SELECT 1 FROM changes "
    "WHERE revision = $3 AND ordinal = 0 AND nonce = $7) THEN CAST($4 AS BIGINT) ELSE 0 END, "
    "seen = CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) "
    "WHERE id = $5 AND incarnation = $6 AND left_at IS NULL "
    "AND (SELECT min_schema FROM meta WHERE moved_to IS NULL) <= $8 RETURNING beat) "
    f"SELECT (SELECT beat FROM beat), pulled.* FROM ({_PULLED}) AS pulled"
)
"""What was settled counts in the history in which it was: in another one, its number means
nothing."""
_HEAD: Final = (
    "SELECT meta.revision, head.nonce FROM meta "
    "JOIN changes head ON head.revision = meta.revision AND head.ordinal = 0"
)
_JOIN: Final = (
    "INSERT INTO nodes (id, name, incarnation, beat, applied, settled, lease_ms, seen, "
    "version, schema, workers) "
    "SELECT $1, $2, 1, 0, 0, 0, $3, 0, $5, $6, $7 FROM meta "
    "WHERE min_schema <= $6 AND moved_to IS NULL "
    "ON CONFLICT (name) DO UPDATE "
    "SET id = excluded.id, incarnation = nodes.incarnation + 1, beat = nodes.beat + 1, "
    "applied = 0, settled = 0, lease_ms = excluded.lease_ms, left_at = NULL, "
    "version = excluded.version, schema = excluded.schema, workers = excluded.workers "
    "WHERE nodes.id = excluded.id OR nodes.left_at IS NOT NULL OR nodes.beat = $4 "
    "RETURNING incarnation"
)
_MIN_SCHEMA: Final = "SELECT min_schema FROM meta"
_LAST_BEAT: Final = "SELECT beat, lease_ms FROM nodes WHERE name = $1"
_NODES: Final = (
    "SELECT id, name, incarnation, beat, applied, settled, lease_ms / 1000.0::float8, seen, "
    "left_at FROM nodes ORDER BY name"
)
_SETTLE: Final = "settle"
"""What a notification says where somebody waits; otherwise it says nothing."""
_LEASES: Final = "SELECT DISTINCT lease_ms FROM nodes WHERE left_at IS NULL"
_CHOOSE: Final = (
    "SELECT CASE WHEN has_table_privilege('keys', 'INSERT') "
    "THEN pg_try_advisory_lock(1466004068, 1) ELSE false END"
)
"""A lock of the connection: whoever has it is the chosen node, as long as the connection lasts. The
first number is "Ward". A node that may not make changes cannot do that work."""
KEPT_SECONDS: Final = 3600
KEPT_REVISIONS: Final = 100_000
"""What is kept of changes, whichever is more."""
_PRUNE: Final = (
    "DELETE FROM changes WHERE revision < (SELECT revision FROM meta) - $2 "
    "AND time < CAST((extract(epoch FROM clock_timestamp()) - $1) * 1000 AS BIGINT)"
)
_PRUNE_NODES: Final = (
    "DELETE FROM nodes WHERE "
    "left_at < CAST((extract(epoch FROM clock_timestamp()) - $1) * 1000 AS BIGINT)"
)
_LEFT_SECONDS: Final = 86_400
"""For which a node that has left is kept."""
_LEAVE: Final = (
    "UPDATE nodes SET left_at = CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) "
    "WHERE id = $1 AND incarnation = $2"
)


class PostgresFeed:
    """Implements `feed.Feed`. Its connection is ended by any failure, and made anew."""

    def __init__(self, connect: Connect, tell: Listener, schema: int) -> None:
        """`tell` is called with what has changed, in the step in which it was read. `schema` is
        the newest one that this program knows."""
        self._schema = schema
        self.hints = asyncio.Event()
        self.asked = asyncio.Event()
        self._connect = connect
        self._tell = tell
        self._turn = asyncio.Lock()
        self._connection: asyncpg.Connection | None = None
        self._at: tuple[int, UUID] | None = None
        """The revision that was applied last, and its nonce."""
        self._node: tuple[UUID, int] | None = None
        """The id and incarnation of this node."""
        self._drops = 0
        """How often what was known had to be dropped."""
        self._warned = False
        self._chosen = False
        self._patience = 3.0
        """Seconds in which the store has to answer: later, the connection is taken for dead."""

    @property
    def applied(self) -> int:
        """The revision up to which listeners were told of all changes."""
        return 0 if self._at is None else self._at[0]

    async def start(self) -> None:
        """Find out from where on to follow. Raises `StoreUnavailable`."""
        async with self._turn:
            ((revision, nonce),) = await self._fetch(_HEAD)
            self._at = revision, nonce

    @property
    def chosen(self) -> bool:
        """Whether this node is the one that does what one node does for all."""
        return self._chosen and self._connection is not None

    async def last_beat(self, name: str) -> tuple[int, float] | None:
        """The number of the last beat of the node with this name, and its lease in seconds."""
        async with self._turn:
            rows = await self._fetch(_LAST_BEAT, name)
            return (rows[0][0], rows[0][1] / 1000) if rows else None

    async def leases(self) -> set[float]:
        """The leases of the nodes that have not left, in seconds."""
        async with self._turn:
            return {row[0] / 1000 for row in await self._fetch(_LEASES)}

    async def join(self, node: NodeIdentity, *, after: int | None = None) -> bool:
        """Become a node of the store. False: a node that may be alive has the name."""
        self._patience = max(1.0, node.lease / 10)
        async with self._turn:
            values = node.id, node.name, int(node.lease * 1000), after
            what = version("wardgate"), self._schema, node.workers
            rows = await self._fetch(_JOIN, *values, *what)
            if not rows:
                await self._require_known()
            self._node = (node.id, rows[0][0]) if rows else None
            return bool(rows)

    async def _require_known(self) -> None:
        """Raises `StoreUnavailable` where the store needs a program that knows a later schema."""
        ((needed,),) = await self._fetch(_MIN_SCHEMA)
        if needed > self._schema:
            raise StoreUnavailable(
                f"the store needs a program that knows schema {needed}, this one knows up to "
                f"{self._schema}: use a later version of Wardgate"
            )

    async def beat(self, settled: int) -> bool:
        """Tell the store that this node is alive, and listeners what has changed."""
        assert self._node is not None
        drops = self._drops
        async with self._turn:
            self._warned = False
            settled = settled if drops == self._drops else 0  # while it waited for its turn
            nonce = None if self._at is None else self._at[1]
            known = self.applied, MOST + 1, self.applied, settled
            values = *known, *self._node, nonce, self._schema
            rows = await self._fetch(_BEAT, *values)
            self._apply([row[1:] for row in rows])
            if not self._chosen:
                ((self._chosen,),) = await self._fetch(_CHOOSE)
            return rows[0][0] is not None and not self._warned

    async def pull(self) -> None:
        """Tell listeners what has changed."""
        async with self._turn:
            self._apply(await self._fetch(_PULLED, self.applied, MOST + 1))

    async def nodes(self) -> list[NodeRow]:
        """All nodes, by name."""
        async with self._turn:
            rows = await self._fetch(_NODES)
        return [NodeRow(*row) for row in rows]

    async def ask_to_settle(self) -> None:
        """Notify all nodes that somebody waits."""
        async with self._turn:
            await self._fetch("SELECT pg_notify($1, $2)", CHANNEL, _SETTLE)

    async def prune(self) -> None:
        """Delete the changes that nobody follows any more, and the nodes that have left."""
        async with self._turn:
            await self._fetch(_PRUNE, KEPT_SECONDS, KEPT_REVISIONS)
            await self._fetch(_PRUNE_NODES, _LEFT_SECONDS)

    async def leave(self) -> None:
        """Tell the store that this node is no more, where that can be told."""
        node, self._node = self._node, None
        if node is not None:
            async with self._turn:
                with suppress(StoreUnavailable):
                    await self._fetch(_LEAVE, *node)

    async def close(self) -> None:
        """End the connection."""
        async with self._turn:
            connection, self._connection = self._connection, None
            if connection is not None:
                await end(connection)

    def _apply(self, rows: Sequence[Sequence[Any]]) -> None:
        """Tell listeners, in one step."""
        head, nonce, *first = rows[0][:4]
        if self._at is not None and (first != list(self._at) or len(rows) > MOST):
            self._drops += 1
            self._tell(None)
        elif self._at is not None:
            new = [row[4:] for row in rows if row[2] > self._at[0]]
            if new:
                self._tell(_changes(head, new))
        self._at = head, nonce

    async def _fetch(self, sql: str, *values: Any) -> list[Sequence[Any]]:
        try:
            if self._connection is None:
                self._connection = connection = await self._connect()
                self._chosen = False
                connection.add_log_listener(self._hear)
                connection.add_termination_listener(self._hint)
                await connection.add_listener(CHANNEL, self._notified)
            found = await self._connection.fetch(sql, *values, timeout=self._patience)
            return [tuple(row) for row in found]
        except BaseException as error:
            if self._connection is not None:
                self._connection.terminate()
                self._connection = None
            if isinstance(error, FAILURES):
                raise meaning(error, "followed") from None
            raise

    def _hint(self, *_: object) -> None:
        self.hints.set()

    def _notified(self, _connection: object, _pid: int, _channel: str, said: object) -> None:
        if said == _SETTLE:
            self.asked.set()
        self.hints.set()

    def _hear(self, _connection: Any, message: asyncpg.PostgresLogMessage) -> None:
        self._warned = self._warned or message.severity_en == "WARNING"


def _changes(head: int, rows: Sequence[Sequence[Any]]) -> Changes | None:
    """What was changed, as it is at `head`; None where it is of a kind that this program does not
    know, is gone, or cannot be read: then nothing is known of it, and all other records are read
    anew, so that one record does not end the leases of all nodes."""
    try:
        return _read(head, rows)
    except (ValueError, TypeError):
        log.exception("a record of the store cannot be read")
        return None


def _read(head: int, rows: Sequence[Sequence[Any]]) -> Changes | None:
    """The same. Raises what a record does that is none."""
    changes = Changes(head)
    for kind, number, other, name, value, *columns in rows:
        account, environment, key, membership = _parts(columns)
        match kind:
            case "a" if account[0] is not None:
                changes.accounts.append(to_account(account))
            case "e" if environment[0] is not None:
                changes.environments.append(to_environment(environment))
            case "k" if key[0] is not None:
                changes.keys.append(to_key(key))
            case "m":
                record = None if membership[0] is None else to_membership(membership)
                changes.memberships.append((number, other, record))
            case "s" if value is not None:
                changes.settings[name] = value
            case _:
                return None
    return changes


def _parts(columns: list[Any]) -> list[list[Any]]:
    parts, start = [], 0
    for width in _WIDTHS:
        parts.append(columns[start : start + width])
        start += width
    return parts
