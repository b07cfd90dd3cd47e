"""A permit as text: the fields that the upstream gets, and the members of a line in the log."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from proxy.domain.model import AccountKind, Environment, Key, Permit, Principal, Role, State
from proxy.gateway.identity import Identity, log_of
from tests.harness import account, environment

OWNER = account(2, AccountKind.USER)
A = environment(3, "a")
ACCOUNT_KEY = Key(
    id=7,
    uuid="k7",
    access_key="ACCESS",
    secret_hash=b"$2b$04$secret",
    sealed=True,
    account_id=2,
    environment_id=None,
    creator_id=None,
    role=Role.OWNER,
    name=None,
    description=None,
    state=State.ACTIVE,
    created=0,
)
ENVIRONMENT_KEY = replace(ACCOUNT_KEY, id=8, account_id=None, environment_id=3)


def permit(key: Key, in_environment: Environment | None, role: Role | None = None) -> Permit:
    """A permit for a key, in an environment or outside of all."""
    principal = (
        Principal(key, OWNER, None) if key.account_id is not None else Principal(key, None, A)
    )
    return Permit(principal, in_environment, role)


@pytest.mark.parametrize(
    ("given", "fields", "members"),
    [
        (Permit(), [], {}),
        (
            permit(ACCOUNT_KEY, A, Role.MEMBER),
            ["Key: ACCESS", "Account: 1a2", "Environment: a", "Role: member"],
            {"key": "1c7", "account": "1a2", "environment": "a"},
        ),
        (
            permit(ACCOUNT_KEY, None, Role.OWNER),
            ["Key: ACCESS", "Account: 1a2", "Role: owner"],
            {"key": "1c7", "account": "1a2"},
        ),
        (
            permit(ENVIRONMENT_KEY, A, Role.READONLY),
            ["Key: ACCESS", "Environment: a", "Role: readonly"],
            {"key": "1c8", "environment": "a"},
        ),
        (
            permit(ENVIRONMENT_KEY, A),
            ["Key: ACCESS", "Environment: a"],
            {"key": "1c8", "environment": "a"},
        ),
    ],
    ids=["anonymous", "in-environment", "account", "environment-key", "without-access-control"],
)
def test_a_permit_is_written_as_fields_and_as_members(
    given: Permit, fields: list[str], members: dict[str, str]
) -> None:
    """Without a principal there is nothing to write; the account's id is the one on the wire."""
    identity = Identity(given)
    lines = [f"X-Wardgate-{field}\r\n" for field in fields]
    assert identity.fields.decode() == "".join(lines)
    assert json.loads(b'{"first":1%b}' % identity.log) == {"first": 1} | members


def test_an_identity_is_of_permits_with_the_same_records_only() -> None:
    """An equal record that was loaded anew is another one: it may differ in what is written."""
    first = permit(ACCOUNT_KEY, A, Role.MEMBER)
    identity = Identity(first)
    assert identity.is_of(first)
    assert identity.is_of(permit(ACCOUNT_KEY, A, Role.MEMBER))
    for other in (
        Permit(),
        permit(replace(ACCOUNT_KEY), A, Role.MEMBER),
        permit(ACCOUNT_KEY, replace(A, slug="b"), Role.MEMBER),
        permit(ACCOUNT_KEY, None, Role.MEMBER),
        permit(ACCOUNT_KEY, A, Role.READONLY),
        Permit(Principal(ACCOUNT_KEY, replace(OWNER), None), A, Role.MEMBER),
    ):
        assert not identity.is_of(other)
        assert not Identity(other).is_of(first)
    assert Identity(Permit()).is_of(Permit())


def test_the_log_names_a_refused_key_and_its_account() -> None:
    """Where no key was proved to be the client's, it names none."""
    assert log_of(None) == b""
    assert json.loads(b'{"first":1%b}' % log_of(ACCOUNT_KEY)) == {
        "first": 1,
        "key": "1c7",
        "account": "1a2",
    }
