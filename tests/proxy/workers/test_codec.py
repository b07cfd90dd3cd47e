"""Records and changes are the same on the other side, whatever they hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from proxy.domain.limits import parse_limits
from proxy.domain.model import AccountKind, Key, Membership, Role, State
from proxy.domain.rotation import Rotation
from proxy.store.protocols import Changes
from proxy.workers.codec import CALLS, bytes_of, changes_json, text_of, to_changes
from tests.harness import account, environment

KEY = Key(
    id=1,
    uuid="u",
    access_key="A",
    secret_hash=b"$2b$04$\xff\x00",
    sealed=False,
    account_id=1,
    environment_id=None,
    creator_id=None,
    role=Role.READONLY,
    name="\u00fc\ud83d".encode("utf-16", "surrogatepass").decode("utf-16", "replace"),
    description=None,
    state=State.INACTIVE,
    created=1,
    expires=2,
    previous_hash=b"\x80",
    previous_sealed=False,
    previous_until=3,
    limits=parse_limits({"rate": "10/s", "networks": ["192.0.2.0/24"]}),
    rotation=Rotation(rotated=4),
)


def test_changes_are_the_same_again() -> None:
    """All kinds of records, ended memberships and settings."""
    changes = Changes(
        revision=7,
        accounts=[account(1, AccountKind.READ_ADMIN)],
        environments=[environment(2, "a")],
        keys=[KEY],
        memberships=[(1, 2, Membership(3, 1, 2, Role.OWNER, 4)), (1, 5, None)],
        settings={"access_control": "off"},
    )
    assert to_changes(json.loads(json.dumps(changes_json(changes)))) == changes


@given(st.binary())
def test_bytes_are_the_same_again(data: bytes) -> None:
    """Any of them, as a string of JSON."""
    assert bytes_of(json.loads(json.dumps(text_of(data)))) == data


@pytest.mark.parametrize(
    ("method", "given"),
    [
        ("load_key", []),
        ("load_key", [5]),
        ("load_account", ["x"]),
        ("load_membership", [[1]]),
        ("load_settings", [1]),
        ("record_usage", [[], []][:1]),
        ("record_usage", [[[[1, None, False], {"first": "x"}]], []]),
        ("grant_quotas", [{"k": [{"count": 1, "period": "year"}, 1]}, [], 0]),
    ],
)
def test_what_is_no_argument_is_refused(method: str, given: Any) -> None:
    """The keeper checks each argument of a worker's call."""
    with pytest.raises(ValidationError):
        CALLS[method].arguments.validate_python(given)
