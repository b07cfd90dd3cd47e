"""What webhooks tell: the events, and how they are made of what happens. Pure.

The rule that lives here: an event names records by their ids and never has a secret. Its payload
has the form of Standard Webhooks: `type`, `timestamp` and `data`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from proxy.domain.audit import Entry
from proxy.domain.model import Key
from proxy.domain.settings import ACCESS_CONTROL


class EventType(StrEnum):
    """The types of events, under the names in payloads and in the configuration."""

    KEY_EXPIRING = "key.expiring"
    KEY_ROTATED = "key.rotated"
    KEY_ROTATION_FINISHED = "key.rotation_finished"
    """The old secret has ended, because nobody used it any more."""
    KEY_DEACTIVATED = "key.deactivated"
    QUOTA_NEARING = "quota.nearing"
    QUOTA_REACHED = "quota.reached"
    ACCESS_CONTROL_DISABLED = "access_control.disabled"
    TEST = "webhook.test"
    """What an admin sends to try a webhook out. Every webhook gets it."""


NEARING: Final = 80
"""Percent of a quota from which on it is nearly used up."""
REACHED: Final = 100


@dataclass(frozen=True, slots=True)
class Event:
    """Something that webhooks are told."""

    type: EventType
    time: int
    """When it happened, in milliseconds since the epoch."""
    data: Mapping[str, object]

    @property
    def body(self) -> str:
        """The payload."""
        payload = {"type": self.type, "timestamp": moment(self.time), "data": dict(self.data)}
        return json.dumps(payload, ensure_ascii=False, separators=(",", ":"))


def moment(milliseconds: int) -> str:
    """A time as in RFC 3339, in UTC."""
    return datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


_OF_ACTIONS: Final = {
    "key.rotate": EventType.KEY_ROTATED,
    "key.finish_rotation": EventType.KEY_ROTATION_FINISHED,
    "key.deactivate": EventType.KEY_DEACTIVATED,
}
"""Action in the audit log → the event."""


def event_of(entry: Entry) -> Event | None:
    """What webhooks are told of an entry in the audit log, None for nothing."""
    actor = entry.actor
    by = {"accountId": actor.account, "keyId": actor.key, "identity": actor.identity}
    if entry.action in _OF_ACTIONS:
        data: dict[str, object] = {"keyId": entry.subject, "by": by}
        until = (entry.after or {}).get("previous_until")
        if entry.action == "key.rotate":
            data["previousSecretExpires"] = moment(until) if isinstance(until, int) else None
        return Event(_OF_ACTIONS[entry.action], entry.time, data)
    switched = entry.action == "setting.update" and entry.subject == ACCESS_CONTROL
    if switched and (entry.after or {}).get("value") == "off" and entry.before != entry.after:
        return Event(EventType.ACCESS_CONTROL_DISABLED, entry.time, {"by": by})
    return None


def expiring(key: Key, days: int, now: int) -> Event:
    """That a key, which has an expiry, expires within so many days."""
    owner = key.account_id if key.environment_id is None else key.environment_id
    data = {
        "keyId": key.ref,
        "name": key.name,
        "accountId": f"1a{owner}",
        "expires": moment(key.expires or 0),
        "withinDays": days,
    }
    return Event(EventType.KEY_EXPIRING, now, data)


def quota_event(subject: str, quota: str, percent: int, used: int, ends: int, now: int) -> Event:
    """That a quota is used up, or nearly. `subject` is the id of its holder on the wire, `used`
    what was granted of it; it begins anew at `ends`."""
    reached = percent >= REACHED
    data = {"subjectId": subject, "quota": quota, "used": used, "ends": moment(ends)}
    return Event(EventType.QUOTA_REACHED if reached else EventType.QUOTA_NEARING, now, data)


class DeliveryState(StrEnum):
    """What has become of a message to a webhook."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message to one webhook. Times are milliseconds since the epoch."""

    id: int
    message: str
    """The id that the receiver gets with every attempt (`webhook-id`)."""
    webhook: str
    """The name of the webhook in the configuration."""
    event: str
    body: str
    created: int
    state: DeliveryState = DeliveryState.WAITING
    attempts: int = 0
    due: int = 0
    """When the next attempt is to be made."""
    attempted: int | None = None
    status: int | None = None
    """Of the answer to the last attempt; None where there was no answer."""
    error: str | None = None
    """Why the last attempt failed."""

    @property
    def ref(self) -> str:
        """The id in the API."""
        return f"1wm{self.id}"
