"""What the gateway reads of a store: one statement each, so that record and revision fit
together. Tested by the contract suite, `tests/proxy/store/contract`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from proxy.domain.clock import now_ms
from proxy.domain.errors import Unreadable
from proxy.domain.model import Account, Environment, Key, Membership
from proxy.store.sql.connection import Connection, Row
from proxy.store.sql.rows import (
    ACCOUNT,
    ENVIRONMENT,
    KEY,
    LIVE,
    MEMBERSHIP,
    to_account,
    to_environment,
    to_key,
    to_membership,
)

T = TypeVar("T")


_UNSEALED: Final = (
    f"FROM keys INDEXED BY keys_unsealed WHERE (sealed = 0 OR previous_sealed = 0) AND {LIVE} "
    "AND (expires IS NULL OR expires > ?)"
)
_UNSEALED_ROUNDS: Final = (
    f"SELECT substr(hash, 5, 2) FROM (SELECT secret_hash AS hash {_UNSEALED} "
    f"AND sealed = 0 UNION ALL SELECT previous_hash {_UNSEALED} AND previous_sealed = 0 "
    "AND previous_until > ?) AS unsealed ORDER BY substr(hash, 5, 2) DESC LIMIT 1"
)
"""The cost stands in a hash as in `$2b$12$…`. The condition of the partial index is spelled as in
the schema."""


class GatewayReader:
    """Implements `protocols.KeyReader`, over a connection of its own: a long list of the admin
    server delays no request."""

    def __init__(self, connection: Connection) -> None:
        self._loads = connection

    async def load_key(self, access_key: str) -> tuple[int, Key | None]:
        sql = f"SELECT {KEY} FROM keys WHERE access_key = ? AND state <> 'purged' AND {LIVE}"
        return await self._load(sql, to_key, access_key)

    async def load_account(self, account_id: int) -> tuple[int, Account | None]:
        sql = f"SELECT {ACCOUNT} FROM accounts WHERE id = ? AND {LIVE}"
        return await self._load(sql, to_account, account_id)

    async def load_environment(self, environment_id: int) -> tuple[int, Environment | None]:
        sql = f"SELECT {ENVIRONMENT} FROM environments WHERE id = ? AND {LIVE}"
        return await self._load(sql, to_environment, environment_id)

    async def load_slug(self, slug: str) -> tuple[int, int | None]:
        """The id of the environment with this slug, compared exactly."""
        sql = f"SELECT id FROM environments WHERE lower(slug) = lower(?) AND {LIVE} AND slug = ?"
        return await self._load(sql, lambda row: int(row[0]), slug, slug)

    async def load_membership(self, pair: tuple[int, int]) -> tuple[int, Membership | None]:
        """The membership of (account id, environment id)."""
        sql = f"SELECT {MEMBERSHIP} FROM memberships WHERE account_id = ? AND environment_id = ?"
        return await self._load(sql, to_membership, *pair)

    async def load_settings(self) -> tuple[int, dict[str, str]]:
        rows = await self._loads.rows(
            "SELECT revision, name, value FROM meta LEFT JOIN settings ON true", ()
        )
        return rows[0][0], {name: value for _, name, value in rows if name is not None}

    async def unsealed_rounds(self) -> int:
        now = now_ms()
        rows = await self._loads.rows(_UNSEALED_ROUNDS, (now, now, now))
        return int(rows[0][0]) if rows else 0

    async def _load(
        self, sql: str, to_record: Callable[[Row], T], *values: int | str
    ) -> tuple[int, T | None]:
        found = f"SELECT meta.revision, found.* FROM meta LEFT JOIN ({sql}) AS found ON true"
        revision, *row = (await self._loads.rows(found, values))[0]
        try:
            return revision, to_record(row) if row[0] is not None else None
        except (ValueError, TypeError) as error:
            raise Unreadable(f"a record of the store cannot be read: {error}") from None
