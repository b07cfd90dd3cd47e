"""The table of who may do what, cell by cell."""

from __future__ import annotations

import pytest

from admin.permissions import (
    Right,
    Standing,
    Subject,
    rights,
    standing_in_environment,
    standing_to_account,
    strongest_role,
)
from proxy.model import Account, AccountKind, Membership, Role, State

LETTERS = {Right.SEE: "s", Right.CREATE: "c", Right.EDIT: "e", Right.LIFECYCLE: "l"}

SUBJECTS = (
    Subject.ACCOUNT,
    Subject.ACCOUNT_KEY,
    Subject.ENVIRONMENT,
    Subject.ENVIRONMENT_KEY,
)

EXPECTED = """
              presented    account  account-key  environment  environment-key
admin         owner        scel     scel         scel         scel
admin         member       s        scel         s            scel
admin         restricted   s        s            s            s
admin         readonly     s        s            s            s
read-admin    owner        s        s            s            s
read-admin    member       s        s            s            s
read-admin    restricted   s        s            s            s
read-admin    readonly     s        s            s            s
self          owner        s        scel         c            -
self          member       s        scel         -            -
self          restricted   s        s            -            -
self          readonly     s        s            -            -
owner         owner        -        -            sel          scel
owner         member       -        -            s            scel
owner         restricted   -        -            s            s
owner         readonly     -        -            s            s
member        owner        -        -            s            scel
member        member       -        -            s            scel
member        restricted   -        -            s            s
member        readonly     -        -            s            s
restricted    owner        -        -            s            s
restricted    member       -        -            s            s
restricted    restricted   -        -            s            s
restricted    readonly     -        -            s            s
readonly      owner        -        -            s            s
readonly      member       -        -            s            s
readonly      restricted   -        -            s            s
readonly      readonly     -        -            s            s
stranger      owner        -        -            -            -
stranger      member       -        -            -            -
stranger      restricted   -        -            -            -
stranger      readonly     -        -            -            -
"""

CELLS = [
    (Standing[words[0].replace("-", "_").upper()], Role(words[1]), subject, cell)
    for words in (line.split() for line in EXPECTED.strip().splitlines()[1:])
    for subject, cell in zip(SUBJECTS, words[2:], strict=True)
]


@pytest.mark.parametrize(("standing", "presented", "subject", "expected"), CELLS)
def test_cell(standing: Standing, presented: Role, subject: Subject, expected: str) -> None:
    """A standing and a presented key's role allow exactly what the table of this file says."""
    allowed = rights(standing, presented, subject)
    assert "".join(LETTERS[right] for right in Right if right in allowed) == expected.strip("-")


def test_the_table_of_this_file_is_whole() -> None:
    """Every standing stands in the table with every role and every subject."""
    assert len({cell[:3] for cell in CELLS}) == len(Standing) * len(Role) * len(Subject)


def account(kind: AccountKind, number: int = 5) -> Account:
    return Account(number, "u", kind, "n", None, State.ACTIVE, 0)


@pytest.mark.parametrize(
    ("kind", "own", "other"),
    [
        (AccountKind.ADMIN, Standing.ADMIN, Standing.ADMIN),
        (AccountKind.READ_ADMIN, Standing.READ_ADMIN, Standing.READ_ADMIN),
        (AccountKind.USER, Standing.SELF, Standing.STRANGER),
    ],
)
def test_standing_to_accounts(kind: AccountKind, own: Standing, other: Standing) -> None:
    """Admins stand alike towards all accounts, a user is a stranger to all but its own."""
    assert standing_to_account(account(kind), 5) is own
    assert standing_to_account(account(kind), 6) is other


@pytest.mark.parametrize("role", Role)
def test_standing_in_environments(role: Role) -> None:
    """A user stands in an environment as its membership says, an admin as an admin."""
    membership = Membership(5, 9, role)
    assert standing_in_environment(account(AccountKind.USER), membership).name == role.name
    assert standing_in_environment(account(AccountKind.USER), None) is Standing.STRANGER
    assert standing_in_environment(account(AccountKind.ADMIN), membership) is Standing.ADMIN
    assert standing_in_environment(account(AccountKind.ADMIN), None) is Standing.ADMIN


@pytest.mark.parametrize("presented", Role)
@pytest.mark.parametrize("membership", Role)
def test_strongest_role(presented: Role, membership: Role) -> None:
    """A new key is no stronger than the presented one, nor than the membership it comes from."""
    in_environment = strongest_role(Standing[membership.name], presented)
    assert presented.covers(in_environment)
    assert membership.covers(in_environment)
    assert in_environment in {presented, membership}
    assert strongest_role(Standing.ADMIN, presented) is presented
    assert strongest_role(Standing.SELF, presented) is presented
