"""One change of a PostgreSQL store: what it changes is written down for those who follow.

Tested in `test_feed.py`.
"""

from __future__ import annotations

from typing import Final
from uuid import uuid4

from proxy.store.feed import NodeRow
from proxy.store.postgres.feed import CHANNEL
from proxy.store.protocols import Changes
from proxy.store.sql.transaction import SqlTransaction

_ADD: Final = (
    "INSERT INTO changes (revision, ordinal, nonce, time, kind, id, other, name) VALUES "
    "(?, ?, ?, CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT), ?, ?, ?, ?)"
)
_FORGET: Final = (
    "UPDATE nodes SET left_at = CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) "
    "WHERE name = ? AND CAST(id AS TEXT) = ? AND incarnation = ? AND beat = ? AND left_at IS NULL "
    "RETURNING name"
)
_HINT: Final = f"SELECT pg_notify('{CHANNEL}', '')"
"""It is sent with the commit."""


class PostgresTransaction(SqlTransaction):
    """Implements `protocols.Transaction`."""

    async def forget_node(self, node: NodeRow) -> bool:
        """Have a node that has not beaten since count as one that has left."""
        return bool(await self.rows(_FORGET, node.name, str(node.id), node.incarnation, node.beat))

    async def _publish(self, changes: Changes) -> None:
        touched: list[tuple[str, int | None, int | None, str | None]] = [
            *(("a", each.id, None, None) for each in changes.accounts),
            *(("e", each.id, None, None) for each in changes.environments),
            *(("k", each.id, None, None) for each in changes.keys),
            *(("m", account, place, None) for account, place, _ in changes.memberships),
            *(("s", None, None, name) for name in changes.settings),
        ]
        nonce = uuid4()
        await self.run_many(
            _ADD, [(changes.revision, at, nonce, *each) for at, each in enumerate(touched)]
        )
        await self.rows(_HINT)
