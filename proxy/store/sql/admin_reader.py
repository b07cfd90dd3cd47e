"""What the admin server reads of a store: within a change its own writes, otherwise what is
committed. Tested by the contract suite, `tests/proxy/store/contract`."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

from proxy.domain.audit import Audited
from proxy.domain.events import Delivery
from proxy.domain.model import Account, Environment, Key, Membership
from proxy.domain.session import Identity, Session
from proxy.domain.usage import UsageQuery, UsageRow
from proxy.store.query import Filter, Modifier, Page, Query
from proxy.store.sql import networks, outbox, usage
from proxy.store.sql.connection import NUMBERS, Connection, Row
from proxy.store.sql.listing import (
    ACCOUNTS,
    AUDITS,
    DELIVERIES,
    ENVIRONMENTS,
    ENVIRONMENTS_OF_MEMBER,
    KEYS,
    KEYS_BY_USE,
    MEMBERSHIPS,
    fetch_page,
)
from proxy.store.sql.rows import (
    ACCOUNT,
    AUDIT,
    DELIVERY,
    ENVIRONMENT,
    KEY_AND_USES,
    KEYS_AND_USES,
    LIVE,
    MEMBERSHIP,
    SESSION,
    SESSIONS_OF,
    to_account,
    to_audited,
    to_delivery,
    to_environment,
    to_key,
    to_membership,
    to_session,
    whose,
)

T = TypeVar("T")

NO_EXPIRY: Final = 2**63 - 1
"""Stands for the expiry of a key that has none: the greatest integer of a column."""


class AdminReader:
    """Implements `protocols.Reader` over a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def rows(self, sql: str, *values: Any) -> list[Row]:
        """All rows that a statement yields. Raises `StoreUnavailable`."""
        return await self._connection.rows(sql, values)

    async def list_rows(self, sql: str, *values: Any) -> list[Row]:
        """As `rows`, for a statement whose cost depends on what a client asks for. Raises
        `ListTooCostly` too."""
        return await self.rows(sql, *values)

    async def _one(self, sql: str, to_record: Callable[[Row], T], *values: Any) -> T | None:
        rows = await self.rows(sql, *values)
        return to_record(rows[0]) if rows else None

    async def get_account(self, account_id: int) -> Account | None:
        sql = f"SELECT {ACCOUNT} FROM accounts WHERE id = ?"
        return await self._one(sql, to_account, account_id)

    async def get_environment(self, environment_id: int) -> Environment | None:
        sql = f"SELECT {ENVIRONMENT} FROM environments WHERE id = ?"
        return await self._one(sql, to_environment, environment_id)

    async def get_key(self, key_id: int) -> Key | None:
        sql = f"SELECT {KEY_AND_USES} FROM {KEYS_AND_USES} WHERE key_id = id AND id = ?"
        return await self._one(sql, to_key, key_id)

    async def get_membership(self, account_id: int, environment_id: int) -> Membership | None:
        sql = f"SELECT {MEMBERSHIP} FROM memberships WHERE account_id = ? AND environment_id = ?"
        return await self._one(sql, to_membership, account_id, environment_id)

    async def get_owners(self, ids: Collection[int]) -> dict[int, Account | Environment]:
        """The accounts and environments with these ids, by id."""
        accounts = await self._many(f"SELECT {ACCOUNT} FROM accounts", to_account, ids)
        environments = await self._many(
            f"SELECT {ENVIRONMENT} FROM environments", to_environment, ids
        )
        return {each.id: each for each in accounts} | {each.id: each for each in environments}

    async def get_keys(self, ids: Collection[int]) -> dict[int, Key]:
        """The keys with these ids, by id."""
        rows = await self.rows(
            f"SELECT {KEY_AND_USES} FROM {KEYS_AND_USES} WHERE key_id = id AND id IN {NUMBERS}",
            json.dumps(list(ids)),
        )
        return {key.id: key for key in map(to_key, rows)}

    async def get_memberships(
        self, account_id: int, environment_ids: Collection[int]
    ) -> dict[int, Membership]:
        """The memberships of an account in these environments, by the environment's id."""
        sql = (
            f"SELECT {MEMBERSHIP} FROM memberships "
            f"WHERE account_id = ? AND environment_id IN {NUMBERS}"
        )
        rows = await self.rows(sql, account_id, json.dumps(list(environment_ids)))
        return {each.environment_id: each for each in map(to_membership, rows)}

    async def _many(
        self, select: str, to_record: Callable[[Row], T], ids: Collection[int]
    ) -> list[T]:
        rows = await self.rows(f"{select} WHERE id IN {NUMBERS}", json.dumps(list(ids)))
        return [to_record(row) for row in rows]

    async def find_environment(self, slug: str) -> Environment | None:
        """The environment that is not removed with this slug, compared without regard to case."""
        sql = f"SELECT {ENVIRONMENT} FROM environments WHERE lower(slug) = lower(?) AND {LIVE}"
        return await self._one(sql, to_environment, slug)

    async def find_membership(self, membership_id: int) -> Membership | None:
        """The membership with this id."""
        sql = f"SELECT {MEMBERSHIP} FROM memberships WHERE id = ?"
        return await self._one(sql, to_membership, membership_id)

    async def list_accounts(self, query: Query) -> Page[Account]:
        """Accounts that are not removed."""
        return await fetch_page(ACCOUNTS, query, self.list_rows)

    async def list_environments(
        self, query: Query, *, member: int | None = None
    ) -> Page[Environment]:
        """Environments that are not removed; with `member`, those which that account belongs to."""
        if member is None:
            return await fetch_page(ENVIRONMENTS, query, self.list_rows)
        return await fetch_page(ENVIRONMENTS_OF_MEMBER, query, self.list_rows, [member])

    async def list_keys(self, query: Query, *, owner: int | None = None) -> Page[Key]:
        """Keys that are not removed; with `owner`, those of one account or environment."""
        table = KEYS_BY_USE if query.sort == "last_used" else KEYS
        return await fetch_page(table, _only(query, owner_id=owner), self.list_rows)

    async def list_quiet(self, now: int, most: int) -> list[Key]:
        """Keys whose previous secret has gone unused for long enough."""
        sql = (
            f"SELECT {KEY_AND_USES} FROM keys INDEXED BY keys_quiet CROSS JOIN uses "
            "WHERE key_id = id AND quiet IS NOT NULL AND previous_until > ? "
            "AND rotated + quiet <= ? AND coalesce(previous_used, 0) + quiet <= ? LIMIT ?"
        )
        return [to_key(row) for row in await self.rows(sql, now, now, now, most)]

    async def count_expiring(self, now: int, moments: Sequence[int]) -> list[int]:
        """How many active keys expire until each of the moments."""
        sums = ", ".join(["count(*) FILTER (WHERE expires <= ?)"] * len(moments))
        sql = (
            f"SELECT {sums} FROM keys INDEXED BY keys_expiring "
            "WHERE state = 'active' AND expires > ? AND expires <= ?"
        )
        return list((await self.rows(sql, *moments, now, moments[-1]))[0])

    async def list_memberships(
        self, query: Query, *, account: int | None = None, environment: int | None = None
    ) -> Page[Membership]:
        """Memberships: all, those of one account, or those in one environment."""
        query = _only(query, account_id=account, environment_id=environment)
        return await fetch_page(MEMBERSHIPS, query, self.list_rows)

    async def list_audit(self, query: Query) -> Page[Audited]:
        """The audit log."""
        return await fetch_page(AUDITS, query, self.list_rows)

    async def list_deliveries(self, query: Query) -> Page[Delivery]:
        """Messages to webhooks."""
        return await fetch_page(DELIVERIES, query, self.list_rows)

    async def find_delivery(self, delivery_id: int) -> Delivery | None:
        """One message."""
        sql = f"SELECT {DELIVERY} FROM webhook_messages WHERE id = ?"
        return await self._one(sql, to_delivery, delivery_id)

    async def list_due(self, webhook: str, now: int, most: int) -> list[Delivery]:
        """Messages to a webhook whose next attempt is due."""
        rows = await self.rows(outbox.DUE, webhook, now, most)
        return [to_delivery(row) for row in rows]

    async def list_expiring(self, now: int, within: int, days: int, most: int) -> list[Key]:
        """Active keys that expire soon, of which webhooks were not told yet."""
        rows = await self.rows(outbox.EXPIRING, now, now + within, days, most)
        return [to_key(row) for row in rows]

    async def find_audited(self, sequence: int) -> Audited | None:
        """One entry of the audit log."""
        return await self._one(
            f"SELECT {AUDIT} FROM audit WHERE sequence = ?", to_audited, sequence
        )

    async def sum_usage(self, query: UsageQuery) -> list[UsageRow]:
        """The usage in the order of its values."""
        sql, values = usage.sums(query)
        return [usage.to_row(row) for row in await self.list_rows(sql, *values)]

    async def list_networks(self, key_id: int, since: int) -> list[tuple[str, int]]:
        """The networks from which a key was used since then."""
        rows = await self.rows(networks.LIST, key_id, since)
        return [(str(network), int(last)) for network, last in rows]

    async def networks_since(self) -> int:
        """Since when networks are noted."""
        return int((await self.rows(networks.SINCE))[0][0])

    async def settings(self) -> dict[str, str]:
        """The settings that were ever set, by name."""
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
        """The last moment at which a key can administer, 0 if no key can."""
        sql = (
            "SELECT coalesce(max(coalesce(k.expires, ?)), 0) "
            "FROM accounts a CROSS JOIN keys k INDEXED BY keys_of_owner_by_state "
            "WHERE k.owner_id = a.id AND k.state IN ('active', 'inactive') "
            "AND k.by_state = 'active' AND k.role = 'owner' "
            "AND a.kind = 'admin' AND a.state = 'active'"
        )
        return int((await self.rows(sql, NO_EXPIRY))[0][0])

    async def has_admin(self) -> bool:
        """Whether any admin account exists that is not removed."""
        sql = f"SELECT 1 FROM accounts WHERE kind = 'admin' AND {LIVE} LIMIT 1"
        return bool(await self.rows(sql))

    async def find_session(self, digest: bytes) -> Session | None:
        """The session whose token has this digest."""
        sql = f"SELECT {SESSION} FROM sessions WHERE digest = ?"
        return await self._one(sql, to_session, digest)

    async def get_session(self, session_id: int) -> Session | None:
        """The session with this id."""
        sql = f"SELECT {SESSION} FROM sessions WHERE id = ?"
        return await self._one(sql, to_session, session_id)

    async def list_sessions(
        self,
        *,
        account: int | None = None,
        key: int | None = None,
        identity: Identity | None = None,
    ) -> list[Session]:
        """The sessions of an account, of one key or of one person: the latest first, 100 at
        most."""
        sql = (
            f"SELECT {SESSION} FROM sessions WHERE {SESSIONS_OF} "
            "ORDER BY last_seen DESC, id DESC LIMIT 100"
        )
        return [to_session(row) for row in await self.rows(sql, *whose(account, key, identity))]


def _only(query: Query, **values: int | None) -> Query:
    """The query for the records with these values in their columns; None: with any value."""
    wanted = [
        Filter(column, Modifier.EQ, value) for column, value in values.items() if value is not None
    ]
    return replace(query, filters=(*wanted, *query.filters))
