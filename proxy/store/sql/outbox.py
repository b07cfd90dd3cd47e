"""Messages to webhooks as SQL: written with what they tell, sent, and kept until retention.

Tested by the contract suite, `tests/proxy/store/contract/test_outbox.py`.
"""

from __future__ import annotations

from dataclasses import astuple, fields
from typing import Any, Final

from proxy.domain.events import Delivery
from proxy.store.sql.rows import DELIVERY, KEY

MOST_WAITING: Final = 10_000
"""For one webhook. Messages beyond them are kept as failed, so that none is lost without a
trace."""
QUEUE_FULL: Final = "too many messages wait for this webhook"

_NAMES: Final = tuple(field.name for field in fields(Delivery))[1:]
_WAITING: Final = (
    "FROM webhook_messages INDEXED BY webhook_messages_waiting "
    "WHERE webhook = ? AND state = 'waiting'"
)
FULL: Final = f"SELECT 1 {_WAITING} LIMIT 1 OFFSET ?"
"""Yields a row where more messages wait for a webhook than so many."""
DUE: Final = f"SELECT {DELIVERY} {_WAITING} AND due <= ? ORDER BY due, id LIMIT ?"
ADD: Final = (
    f"INSERT INTO webhook_messages ({', '.join(_NAMES)}) VALUES ({', '.join('?' * len(_NAMES))}) "
    "RETURNING id"
)
"""With the values of `add_values`."""
PUT: Final = (
    "UPDATE webhook_messages SET state = ?, attempts = ?, due = ?, attempted = ?, status = ?, "
    "error = ? WHERE id = ?"
)
"""With the values of `put_values`."""
OLDEST: Final = (
    "SELECT id FROM webhook_messages INDEXED BY webhook_messages_by_created "
    "WHERE created < ? ORDER BY created, number LIMIT ?"
)
DELETE: Final = "DELETE FROM webhook_messages WHERE id = ?"

EXPIRING: Final = (
    f"SELECT {KEY} FROM keys INDEXED BY keys_expiring "
    "WHERE state = 'active' AND expires > ? AND expires <= ? AND NOT EXISTS (SELECT 1 "
    "FROM expiry_notices AS told WHERE told.key_id = keys.id AND told.expires = keys.expires "
    "AND told.days <= ?) ORDER BY expires LIMIT ?"
)
NOTE_EXPIRING: Final = "INSERT INTO expiry_notices VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
FORGET_EXPIRED: Final = "DELETE FROM expiry_notices WHERE expires < ?"


def add_values(delivery: Delivery) -> tuple[Any, ...]:
    """The values of `ADD`."""
    return astuple(delivery)[1:]


def put_values(delivery: Delivery) -> tuple[Any, ...]:
    """The values of `PUT`."""
    names = ("state", "attempts", "due", "attempted", "status", "error", "id")
    return tuple(getattr(delivery, name) for name in names)
