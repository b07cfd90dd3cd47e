"""Records as rows, and rows as records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from proxy.model import Account, AccountKind, Environment, Key, Membership, Role, State
from proxy.store import Record

ACCOUNT: Final = "id, uuid, kind, name, description, state, created, removed"
ENVIRONMENT: Final = "id, uuid, slug, name, description, state, created, removed"
KEY: Final = (
    "id, uuid, access_key, secret_hash, sealed, account_id, environment_id, creator_id, role, "
    "name, description, state, created, expires, removed, last_used"
)
MEMBERSHIP: Final = "account_id, environment_id, role"

LIVE: Final = "state IN ('active', 'inactive')"
"""To the letter as in the schema: so the indexes of live records serve."""

Row = Sequence[Any]


def to_account(row: Row) -> Account:
    """A row of `ACCOUNT`."""
    number, uuid, kind, name, description, state, *times = row
    return Account(number, uuid, AccountKind(kind), name, description, State(state), *times)


def to_environment(row: Row) -> Environment:
    """A row of `ENVIRONMENT`."""
    number, uuid, slug, name, description, state, *times = row
    return Environment(number, uuid, slug, name, description, State(state), *times)


def to_key(row: Row) -> Key:
    """A row of `KEY`."""
    values = dict(zip(KEY.split(", "), row, strict=True))
    values["sealed"] = bool(values["sealed"])
    values["role"], values["state"] = Role(values["role"]), State(values["state"])
    return Key(**values)


def to_membership(row: Row) -> Membership:
    """A row of `MEMBERSHIP`."""
    return Membership(row[0], row[1], Role(row[2]))


def upsert(record: Record) -> tuple[str, Row]:
    """The statement that inserts a record or replaces the one with its id, and its values."""
    table, columns = {
        Account: ("accounts", ACCOUNT),
        Environment: ("environments", ENVIRONMENT),
        Key: ("keys", KEY),
    }[type(record)]
    names = columns.split(", ")
    # Uses are written down on their own, and an edit must not turn them back.
    replaced = ", ".join(f"{name} = excluded.{name}" for name in names[1:] if name != "last_used")
    sql = (
        f"INSERT INTO {table} ({columns}) VALUES ({', '.join('?' * len(names))}) "
        f"ON CONFLICT (id) DO UPDATE SET {replaced}"
    )
    return sql, [getattr(record, name) for name in names]
