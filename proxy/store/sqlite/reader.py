"""What the admin server reads of a SQLite store: in a change of its own writes, else of what is
kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any, Final, TypeVar

import aiosqlite

from proxy.domain.audit import Audited
from proxy.domain.model import Account, Environment, Key, Membership, StoreUnavailable
from proxy.store.query import Page, Query
from proxy.store.sqlite.listing import (
    ACCOUNTS,
    AUDITS,
    ENVIRONMENTS,
    ENVIRONMENTS_OF_MEMBER,
    KEYS,
    MEMBERSHIPS,
    found,
)
from proxy.store.sqlite.rows import (
    ACCOUNT,
    AUDIT,
    ENVIRONMENT,
    KEY,
    LIVE,
    MEMBERSHIP,
    Row,
    to_account,
    to_audited,
    to_environment,
    to_key,
    to_membership,
)

T = TypeVar("T")

FOR_EVER: Final = 2**63 - 1
"""In place of the expiry of a key that has none: the last moment that SQLite can write down."""


class SqliteReader:
    """Implements `store.Reader` over a connection."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._db = connection

    async def rows(self, sql: str, *values: Any) -> list[Row]:
        """All rows of a statement. Raises `StoreUnavailable`."""
        try:
            return list(await self._db.execute_fetchall(sql, values))
        except (sqlite3.Error, ValueError) as error:  # ValueError: the connection is closed
            raise StoreUnavailable(f"the store cannot be read: {error}") from None

    async def close(self) -> None:
        """Close the connection."""
        await self._db.close()

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

    async def find_environment(self, slug: str) -> Environment | None:
        """The environment that is not removed with this slug, compared without regard to case."""
        sql = f"SELECT {ENVIRONMENT} FROM environments WHERE slug = ? COLLATE NOCASE AND {LIVE}"
        return await self._one(sql, to_environment, slug)

    async def find_membership(self, membership_id: int) -> Membership | None:
        """The membership with this id."""
        sql = f"SELECT {MEMBERSHIP} FROM memberships WHERE id = ?"
        return await self._one(sql, to_membership, membership_id)

    async def list_accounts(self, query: Query) -> Page[Account]:
        """Accounts that are not removed."""
        return await found(ACCOUNTS, query, self.rows)

    async def list_environments(
        self, query: Query, *, member: int | None = None
    ) -> Page[Environment]:
        """Environments that are not removed; with `member`, those that account is a member of."""
        if member is None:
            return await found(ENVIRONMENTS, query, self.rows)
        return await found(ENVIRONMENTS_OF_MEMBER, query, self.rows, of=[member])

    async def list_keys(self, query: Query, *, owner: int | None = None) -> Page[Key]:
        """Keys that are not removed; of one account or environment where given."""
        if owner is None:
            return await found(KEYS, query, self.rows)
        index = f"keys_of_owner_by_{query.sort}"
        return await found(KEYS, query, self.rows, ("owner_id = ?", owner), index=index)

    async def list_memberships(
        self, query: Query, *, account: int | None = None, environment: int | None = None
    ) -> Page[Membership]:
        """Memberships; of one account, else in one environment, where given."""
        for column, value in (("account", account), ("environment", environment)):
            if value is not None:
                within, index = (f"{column}_id = ?", value), f"memberships_of_{column}"
                return await found(MEMBERSHIPS, query, self.rows, within, index=index)
        return await found(MEMBERSHIPS, query, self.rows)

    async def list_audit(self, query: Query) -> Page[Audited]:
        """The audit log."""
        return await found(AUDITS, query, self.rows)

    async def find_audited(self, sequence: int) -> Audited | None:
        """One entry of the audit log."""
        return await self._one(
            f"SELECT {AUDIT} FROM audit WHERE sequence = ?", to_audited, sequence
        )

    async def settings(self) -> dict[str, str]:
        """Those that were ever set."""
        rows = await self.rows("SELECT name, value FROM settings")
        return {str(name): str(value) for name, value in rows}

    async def count_owners(self, environment_id: int) -> int:
        """Members of the environment with the role owner, whose accounts are active."""
        sql = (
            "SELECT count(*) FROM memberships m JOIN accounts a ON a.id = m.account_id "
            "WHERE m.environment_id = ? AND m.role = 'owner' AND a.state = 'active'"
        )
        return int((await self.rows(sql, environment_id))[0][0])

    async def administered_until(self) -> int:
        """The last moment at which a key can administer: active, of the owner role, and of an
        active admin account. 0 where none can; without an expiry, the last that there is."""
        sql = (
            "SELECT coalesce(max(coalesce(k.expires, ?)), 0) "
            "FROM accounts a CROSS JOIN keys k INDEXED BY keys_of_owner_by_state "
            "ON k.owner_id = a.id AND k.state IN ('active', 'inactive') AND k.by_state = 'active' "
            "WHERE a.kind = 'admin' AND a.state = 'active' AND k.role = 'owner'"
        )
        return int((await self.rows(sql, FOR_EVER))[0][0])

    async def has_admin(self) -> bool:
        """Whether any admin account exists that is not removed."""
        sql = f"SELECT 1 FROM accounts WHERE kind = 'admin' AND {LIVE} LIMIT 1"
        return bool(await self.rows(sql))
