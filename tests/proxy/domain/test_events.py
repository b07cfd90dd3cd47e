"""Which acts webhooks are told of, and what they are told."""

from __future__ import annotations

import json

import pytest

from proxy.domain.audit import Actor, Entry
from proxy.domain.events import Event, EventType, event_of, expiring, quota_event
from tests.support.seed import key

ADMIN = Actor("1a1", "1c1", "192.0.2.1", "r1")
BY = {"accountId": "1a1", "keyId": "1c1", "identity": None}


def entry(action: str, subject: str, before: object = None, after: object = None) -> Entry:
    """An entry by the admin at the first second of 2030."""
    sides = (each if isinstance(each, dict) else None for each in (before, after))
    return Entry(1_893_456_000_000, ADMIN, action, subject, *sides)


@pytest.mark.parametrize(
    ("made", "event", "data"),
    [
        (
            entry("key.rotate", "1c5", {}, {"previous_until": 1_893_459_600_000}),
            "key.rotated",
            {"keyId": "1c5", "by": BY, "previousSecretExpires": "2030-01-01T01:00:00Z"},
        ),
        (
            entry("key.rotate", "1c5", {}, {}),
            "key.rotated",
            {"keyId": "1c5", "by": BY, "previousSecretExpires": None},
        ),
        (entry("key.deactivate", "1c5"), "key.deactivated", {"keyId": "1c5", "by": BY}),
        (
            entry("key.finish_rotation", "1c5"),
            "key.rotation_finished",
            {"keyId": "1c5", "by": BY},
        ),
        (
            entry("setting.update", "access_control", {"value": "on"}, {"value": "off"}),
            "access_control.disabled",
            {"by": BY},
        ),
    ],
)
def test_some_acts_are_events(made: Entry, event: str, data: object) -> None:
    """They say what was changed and by whom, with ids alone."""
    found = event_of(made)
    assert found is not None
    assert json.loads(found.body) == {
        "type": event,
        "timestamp": "2030-01-01T00:00:00Z",
        "data": data,
    }


@pytest.mark.parametrize(
    "made",
    [
        entry("key.create", "1c5", None, {"name": "n"}),
        entry("key.update", "1c5"),
        entry("setting.update", "access_control", {"value": "off"}, {"value": "on"}),
        entry("setting.update", "access_control", {"value": "off"}, {"value": "off"}),
        entry("setting.update", "rotation_overlap", {"value": "on"}, {"value": "off"}),
        entry("account.deactivate", "1a5"),
    ],
)
def test_others_are_not(made: Entry) -> None:
    """They are in the audit log."""
    assert event_of(made) is None


def test_no_event_has_a_secret_or_its_hash() -> None:
    """Nor the access key, which is half of a credential."""
    pair = key(5, "ACCESSKEY", b"$2b$04$hash", account_id=2, expires=1000, name="n")
    body = expiring(pair, 7, 0).body
    assert "ACCESSKEY" not in body
    assert "$2b$" not in body
    assert json.loads(body)["data"]["accountId"] == "1a2"


@pytest.mark.parametrize(("percent", "event"), [(80, "quota.nearing"), (100, "quota.reached")])
def test_a_quota_says_how_much_of_it_is_used(percent: int, event: str) -> None:
    """And when it begins anew."""
    made: Event = quota_event("1c5", "100/day", percent, percent, 86_400_000, 5)
    assert made.type is EventType(event)
    assert made.data == {
        "subjectId": "1c5",
        "quota": "100/day",
        "used": percent,
        "ends": "1970-01-02T00:00:00Z",
    }
