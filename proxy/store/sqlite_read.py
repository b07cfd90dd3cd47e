"""What the office reads of a SQLite store: in a change of its own writes, else of what is kept."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import aiosqlite

from proxy.model import Account, Environment, Key, Membership, StoreUnavailable
from proxy.store import Page
from proxy.store.rows import (
    ACCOUNT,
    ENVIRONMENT,
    KEY,
    LIVE,
    MEMBERSHIP,
    Row,
    to_account,
    to_environment,
    to_key,
    to_membership,
)

T = TypeVar("T")


class SqliteReader:
    """Implements `proxy.store.Reader` over a connection."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._db = connection

    async def rows(self, sql: str, *values: Any) -> list[Row]:
        """All rows of a statement. Raises `StoreUnavailable`."""
        try:
            return list(await self._db.execute_fetchall(sql, values))
        except (sqlite3.Error, ValueError) as error:  # ValueError: the connection is closed
            raise StoreUnavailable(f"the store cannot be read: {error}") from None

    async def _one(self, sql: str, of: Callable[[Row], T], *values: Any) -> T | None:
        rows = await self.rows(sql, *values)
        return of(rows[0]) if rows else None

    async def get_account(self, account_id: int) -> Account | None:
        sql = f"SELECT {ACCOUNT} FROM accounts WHERE id = ?"
        return await self._one(sql, to_account, account_id)

    async def get_environment(self, environment_id: int) -> Environment | None:
        sql = f"SELECT {ENVIRONMENT} FROM environments WHERE id = ?"
        return await self._one(sql, to_environment, environment_id)

    async def get_key(self, key_id: int) -> Key | None:
        return await self._one(f"SELECT {KEY} FROM keys WHERE id = ?", to_key, key_id)

    async def get_membership(self, account_id: int, environment_id: int) -> Membership | None:
        sql = f"SELECT {MEMBERSHIP} FROM memberships WHERE account_id = ? AND environment_id = ?"
        return await self._one(sql, to_membership, account_id, environment_id)

    async def find_key(self, access_key: str) -> Key | None:
        """The key that is not purged with this access key."""
        sql = f"SELECT {KEY} FROM keys WHERE access_key = ? AND state <> 'purged'"
        return await self._one(sql, to_key, access_key)

    async def find_environment(self, slug: str) -> Environment | None:
        """The environment that is not removed with this slug, compared without regard to case."""
        sql = f"SELECT {ENVIRONMENT} FROM environments WHERE slug = ? COLLATE NOCASE AND {LIVE}"
        return await self._one(sql, to_environment, slug)

    async def list_accounts(self, page: Page) -> Sequence[Account]:
        """Accounts that are not removed."""
        sql = f"SELECT {ACCOUNT} FROM accounts WHERE {LIVE} AND id > ? ORDER BY id LIMIT ?"
        return [to_account(row) for row in await self.rows(sql, page.after, page.limit)]

    async def list_environments(
        self, page: Page, *, member: int | None = None
    ) -> Sequence[Environment]:
        """Environments that are not removed; with `member`, those that account is a member of."""
        sql = f"SELECT {ENVIRONMENT} FROM environments WHERE {LIVE} AND id > ?"
        values = [page.after]
        if member is not None:
            sql = (
                f"SELECT {ENVIRONMENT} FROM memberships JOIN environments ON id = environment_id "
                f"WHERE {LIVE} AND environment_id > ? AND account_id = ?"
            )
            values.append(member)
        rows = await self.rows(f"{sql} ORDER BY id LIMIT ?", *values, page.limit)
        return [to_environment(row) for row in rows]

    async def list_keys(
        self, page: Page, *, account: int | None = None, environment: int | None = None
    ) -> Sequence[Key]:
        """Keys that are not removed; of one account or one environment where given."""
        sql, values = f"SELECT {KEY} FROM keys WHERE {LIVE} AND id > ?", [page.after]
        for column, owner in (("account_id", account), ("environment_id", environment)):
            if owner is not None:
                sql += f" AND {column} = ?"
                values.append(owner)
        rows = await self.rows(f"{sql} ORDER BY id LIMIT ?", *values, page.limit)
        return [to_key(row) for row in rows]

    async def list_memberships(self, environment_id: int) -> Sequence[Membership]:
        sql = f"SELECT {MEMBERSHIP} FROM memberships WHERE environment_id = ? ORDER BY account_id"
        return [to_membership(row) for row in await self.rows(sql, environment_id)]

    async def count_active_admin_keys(self) -> int:
        """Keys with which somebody can administer: active, unexpired, of the owner role, and of an
        active admin account."""
        sql = (
            "SELECT count(*) FROM accounts a JOIN keys k ON k.account_id = a.id "
            "WHERE a.kind = 'admin' AND a.state = 'active' AND k.state IN ('active', 'inactive') "
            "AND k.state = 'active' AND k.role = 'owner' AND coalesce(k.expires > ?, true)"
        )
        return int((await self.rows(sql, time.time_ns() // 1_000_000))[0][0])

    async def has_admin(self) -> bool:
        """Whether any admin account exists that is not removed."""
        sql = f"SELECT 1 FROM accounts WHERE kind = 'admin' AND {LIVE} LIMIT 1"
        return bool(await self.rows(sql))
