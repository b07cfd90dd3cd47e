"""The rights of every standing with every presented role, cell by cell."""

from __future__ import annotations

import pytest

from admin.service.permissions import (
    Right,
    Standing,
    Subject,
    rights,
    standing_in_environment,
    standing_to_account,
    strongest_role,
)
from proxy.domain.model import Account, AccountKind, Environment, Membership, Role, State

LETTERS = {Right.SEE: "s", Right.CREATE: "c", Right.EDIT: "e", Right.LIFECYCLE: "l"}

EXPECTED = """
              presented    account  its-key  environment  its-key  member  setting  audit    webhook
admin         owner        scel     scel     scel         scel     scel    se       s        sce
admin         member       s        scel     s            scel     s       s        s        s
admin         restricted   s        s        s            s        s       s        s        s
admin         readonly     s        s        s            s        s       s        s        s
read-admin    owner        s        s        s            s        s       s        s        s
read-admin    member       s        s        s            s        s       s        s        s
read-admin    restricted   s        s        s            s        s       s        s        s
read-admin    readonly     s        s        s            s        s       s        s        s
self          owner        s        scel     c            -        -       -        -        -
self          member       s        scel     -            -        -       -        -        -
self          restricted   s        s        -            -        -       -        -        -
self          readonly     s        s        -            -        -       -        -        -
owner         owner        -        -        sel          scel     scel    -        -        -
owner         member       -        -        s            scel     s       -        -        -
owner         restricted   -        -        s            s        s       -        -        -
owner         readonly     -        -        s            s        s       -        -        -
member        owner        -        -        s            scel     s       -        -        -
member        member       -        -        s            scel     s       -        -        -
member        restricted   -        -        s            s        s       -        -        -
member        readonly     -        -        s            s        s       -        -        -
restricted    owner        -        -        s            s        s       -        -        -
restricted    member       -        -        s            s        s       -        -        -
restricted    restricted   -        -        s            s        s       -        -        -
restricted    readonly     -        -        s            s        s       -        -        -
readonly      owner        -        -        s            s        s       -        -        -
readonly      member       -        -        s            s        s       -        -        -
readonly      restricted   -        -        s            s        s       -        -        -
readonly      readonly     -        -        s            s        s       -        -        -
key           owner        -        -        s            s        s       -        -        -
key           member       -        -        s            s        s       -        -        -
key           restricted   -        -        s            s        s       -        -        -
key           readonly     -        -        s            s        s       -        -        -
none          owner        -        -        -            -        -       -        -        -
none          member       -        -        -            -        -       -        -        -
none          restricted   -        -        -            -        -       -        -        -
none          readonly     -        -        -            -        -       -        -        -
"""

CELLS = [
    (Standing[words[0].replace("-", "_").upper()], Role(words[1]), subject, cell)
    for words in (line.split() for line in EXPECTED.strip().splitlines()[1:])
    for subject, cell in zip(Subject, words[2:], strict=True)
]


@pytest.mark.parametrize(("standing", "presented", "subject", "expected"), CELLS)
def test_a_standing_and_a_role_have_exactly_the_rights_of_their_cell(
    standing: Standing, presented: Role, subject: Subject, expected: str
) -> None:
    """A standing and a presented key's role allow what the table of this file says."""
    allowed = rights(standing, presented, subject)
    assert "".join(LETTERS[right] for right in Right if right in allowed) == expected.strip("-")


def test_the_table_has_every_standing_role_and_subject() -> None:
    """Every standing stands in the table with every role and every subject."""
    assert len({cell[:3] for cell in CELLS}) == len(Standing) * len(Role) * len(Subject)


def account(kind: AccountKind, number: int = 5) -> Account:
    return Account(number, "u", kind, "n", None, State.ACTIVE, 0)


@pytest.mark.parametrize(
    ("kind", "own", "other"),
    [
        (AccountKind.ADMIN, Standing.ADMIN, Standing.ADMIN),
        (AccountKind.READ_ADMIN, Standing.READ_ADMIN, Standing.READ_ADMIN),
        (AccountKind.USER, Standing.SELF, Standing.NONE),
    ],
)
def test_a_user_has_a_standing_to_its_own_account_only(
    kind: AccountKind, own: Standing, other: Standing
) -> None:
    """Admins have the same standing to all accounts."""
    assert standing_to_account(account(kind), 5) is own
    assert standing_to_account(account(kind), 6) is other


@pytest.mark.parametrize("role", Role)
def test_the_standing_in_an_environment_comes_from_the_membership(role: Role) -> None:
    """For a user. An admin is one everywhere, an environment's key has a standing in its own."""
    membership = Membership(1, 5, 9, role, 0)
    user, admin = account(AccountKind.USER), account(AccountKind.ADMIN)
    assert standing_in_environment(user, 9, membership).name == role.name
    assert standing_in_environment(user, 9, None) is Standing.NONE
    assert standing_in_environment(admin, 9, membership) is Standing.ADMIN
    assert standing_in_environment(admin, 9, None) is Standing.ADMIN
    environment = Environment(9, "u", "s", "n", None, State.ACTIVE, 0)
    assert standing_in_environment(environment, 9, None) is Standing.KEY
    assert standing_in_environment(environment, 8, None) is Standing.NONE
    assert standing_to_account(environment, 9) is Standing.NONE


@pytest.mark.parametrize("presented", Role)
@pytest.mark.parametrize("membership", Role)
def test_the_strongest_role_exceeds_neither_the_key_nor_the_membership(
    presented: Role, membership: Role
) -> None:
    """It is the strongest that a caller can give to a new key."""
    in_environment = strongest_role(Standing[membership.name], presented)
    assert presented.covers(in_environment)
    assert membership.covers(in_environment)
    assert in_environment in {presented, membership}
    assert strongest_role(Standing.ADMIN, presented) is presented
    assert strongest_role(Standing.SELF, presented) is presented
