"""Records as rows, and rows as records.

Tested by the contract suite, and `tests/proxy/store/sqlite/test_rows.py`.
"""

from __future__ import annotations

import json
from dataclasses import fields
from functools import lru_cache
from typing import Any, Final

from proxy.domain.audit import Actor, Audited, Entry
from proxy.domain.events import Delivery, DeliveryState
from proxy.domain.limits import NONE, Limits, limits_json, parse_limits
from proxy.domain.model import Account, AccountKind, Environment, Key, Membership, Role, State
from proxy.domain.rotation import NEVER_ROTATED, Rotation
from proxy.domain.session import Identity, Session
from proxy.store.protocols import Record
from proxy.store.sql.connection import Row

ACCOUNT: Final = "id, uuid, kind, name, description, state, created, removed, limits, needs"
ENVIRONMENT: Final = "id, uuid, slug, name, description, state, created, removed, limits, needs"
KEY: Final = (
    "id, uuid, access_key, secret_hash, sealed, account_id, environment_id, creator_id, role, "
    "name, description, state, created, expires, removed, previous_hash, previous_sealed, "
    "previous_until, quiet, limits, rotated, needs"
)
"""What decisions are made by: without the uses of a key, which have a table of their own."""
USES: Final = (
    "last_used, last_used_address, use_count, "
    "current_first, current_used, current_address, current_count, "
    "previous_first, previous_used, previous_address, previous_count"
)
KEY_AND_USES: Final = f"{KEY}, {USES}"
KEYS_AND_USES: Final = "keys CROSS JOIN uses"
"""Where that is read from, with the condition that `uses.key_id = keys.id`."""
_ROTATION: Final = tuple(field.name for field in fields(Rotation))
MEMBERSHIP: Final = "id, account_id, environment_id, role, created, needs"
AUDIT: Final = (
    "sequence, time, account, key, address, request_id, identity, act, subject, before, after, hash"
)
DELIVERY: Final = (
    "id, message, webhook, event, body, created, state, attempts, due, attempted, status, error"
)
SESSION: Final = (
    "id, digest, key_id, secret_hash, created, last_seen, address, agent, account_id, "
    "issuer, claim, claimed"
)

_TABLES: Final[dict[type[Record], tuple[str, str]]] = {
    Account: ("accounts", ACCOUNT),
    Environment: ("environments", ENVIRONMENT),
    Key: ("keys", KEY),
    Membership: ("memberships", MEMBERSHIP),
}

SESSIONS_OF: Final = "(account_id = ? OR key_id = ? OR (claimed = ? AND claim = ? AND issuer = ?))"
"""The condition of the sessions of an account, a key or a person. `whose` makes its values."""

LIVE: Final = "state IN ('active', 'inactive')"
"""The condition of records that are not removed, spelled exactly as in the schema: its partial
indexes need that."""


def to_account(row: Row) -> Account:
    """A row of `ACCOUNT`."""
    number, uuid, kind, name, description, state, created, removed, limits, needs = row
    return Account(
        number,
        uuid,
        AccountKind(kind),
        name,
        description,
        State(state),
        created,
        removed,
        to_limits(limits),
        needs,
    )


def to_environment(row: Row) -> Environment:
    """A row of `ENVIRONMENT`."""
    number, uuid, slug, name, description, state, created, removed, limits, needs = row
    limited = to_limits(limits)
    state = State(state)
    return Environment(
        number, uuid, slug, name, description, state, created, removed, limited, needs
    )


def to_key(row: Row) -> Key:
    """A row of `KEY_AND_USES`, or of `KEY` alone."""
    values = dict(zip(KEY_AND_USES.split(", ")[: len(row)], row, strict=True))
    for name in ("sealed", "previous_sealed"):
        values[name] = bool(values[name])
    values["role"], values["state"] = Role(values["role"]), State(values["state"])
    values["limits"] = to_limits(values["limits"])
    rotation = Rotation(**{name: values.pop(name) for name in _ROTATION if name in values})
    return Key(**values, rotation=NEVER_ROTATED if rotation == NEVER_ROTATED else rotation)


def to_membership(row: Row) -> Membership:
    """A row of `MEMBERSHIP`."""
    number, account_id, environment_id, role, created, needs = row
    return Membership(number, account_id, environment_id, Role(role), created, needs)


def to_audited(row: Row) -> Audited:
    """A row of `AUDIT`."""
    sequence, time, *who, action, subject, before, after, digest = row
    sides = (_side(before), _side(after))
    return Audited(sequence, Entry(time, Actor(*who), action, subject, *sides), digest)


def to_delivery(row: Row) -> Delivery:
    """A row of `DELIVERY`."""
    values = dict(zip(DELIVERY.split(", "), row, strict=True))
    values["state"] = DeliveryState(values["state"])
    return Delivery(**values)


def to_session(row: Row) -> Session:
    """A row of `SESSION`."""
    values = dict(zip(SESSION.split(", "), row, strict=True))
    issuer, claim, claimed = (values.pop(name) for name in ("issuer", "claim", "claimed"))
    return Session(**values, identity=None if claimed is None else Identity(issuer, claim, claimed))


def whose(account: int | None, key: int | None, identity: Identity | None) -> Row:
    """The values of `SESSIONS_OF` for one of the three."""
    who = identity
    return account, key, *((None,) * 3 if who is None else (who.value, who.claim, who.issuer))


def session_row(session: Session) -> Row:
    """The values of `SESSION`, without the id."""
    who = session.identity
    return [
        *(getattr(session, name) for name in SESSION.split(", ")[1:-3]),
        *((None, None, None) if who is None else (who.issuer, who.claim, who.value)),
    ]


def to_limits(text: str | None) -> Limits:
    """The limits of a record. Many records have the same, which are then one object. Raises
    ValueError for what is none: no key goes without its limits."""
    return NONE if text is None else _limits(text)


@lru_cache(maxsize=4096)
def _limits(text: str) -> Limits:
    try:
        given = json.loads(text)
    except RecursionError as error:
        raise ValueError(str(error)) from None
    if not isinstance(given, dict):
        raise ValueError("limits should be an object")
    return parse_limits(given)


def _side(text: str | None) -> Any:
    """The state before or after an action. Text that was altered so that it is no longer JSON is
    returned as it is: the entry can still be read, and the chain of hashes shows the alteration."""
    try:
        return None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        return text


def upsert(record: Record) -> tuple[str, Row]:
    """The statement that inserts a record or replaces the one with its id, and its values."""
    table, columns = _TABLES[type(record)]
    names = columns.split(", ")
    replaced = ", ".join(f"{name} = excluded.{name}" for name in names[1:])
    sql = (
        f"INSERT INTO {table} ({columns}) VALUES ({', '.join('?' * len(names))}) "
        f"ON CONFLICT (id) DO UPDATE SET {replaced}"
    )
    return sql, row_of(record)


def row_of(record: Record) -> Row:
    """The row of a record, of which `to_account` and the others make the record again."""
    values = (_value(record, name) for name in _TABLES[type(record)][1].split(", "))
    return [_limits_text(each) if isinstance(each, Limits) else each for each in values]


def _value(record: Record, name: str) -> Any:
    """That of a column."""
    if isinstance(record, Key) and name in _ROTATION:
        return getattr(record.rotation, name)
    return getattr(record, name)


def _limits_text(limits: Limits) -> str | None:
    shown = limits_json(limits)
    return json.dumps(shown) if shown else None
