"""A key may do what its role, its account and its membership all allow, and nothing else."""

from __future__ import annotations

import pytest

from proxy.domain.authorization import authorize
from proxy.domain.model import (
    AccountKind,
    Deny,
    Environment,
    Membership,
    Permit,
    Principal,
    Reason,
    Role,
    State,
)
from proxy.domain.routes import Access, Route
from tests.support.seed import account, environment, key


def route(path: str, access: Access = Access.ACCOUNT, **options: object) -> Route:
    """A route to the one upstream of these tests."""
    return Route(path, access, "default", **options)  # type: ignore[arg-type]  # test options


A, B = environment(5, "a"), environment(6, "b")


def principal(kind: AccountKind | None, role: Role = Role.OWNER) -> Principal:
    """A key of an account of that kind; for None, of environment A."""
    if kind:
        return Principal(key(1, "K", b"", role=role, account_id=1), account(1, kind), None)
    return Principal(key(1, "K", b"", role=role, environment_id=A.id), None, A)


USER, ADMIN, READ_ADMIN = AccountKind.USER, AccountKind.ADMIN, AccountKind.READ_ADMIN
ENVIRONMENT_KEY = None
MEMBER = Membership(1, 1, A.id, Role.MEMBER, 0)


@pytest.mark.parametrize(
    ("kind", "environment", "membership", "outcome"),
    [
        (ENVIRONMENT_KEY, A, None, Role.OWNER),  # whatever role it was given
        (ENVIRONMENT_KEY, B, None, Reason.ENVIRONMENT),
        (ENVIRONMENT_KEY, None, None, Reason.ENVIRONMENT),
        (USER, A, MEMBER, Role.MEMBER),
        (USER, A, None, Reason.NO_ENVIRONMENT),
        (USER, None, None, Reason.NO_ENVIRONMENT),
        (ADMIN, A, None, Role.OWNER),
        (ADMIN, None, None, Reason.NO_ENVIRONMENT),
        (READ_ADMIN, A, None, Role.READONLY),
        (READ_ADMIN, None, None, Reason.NO_ENVIRONMENT),
    ],
)
def test_an_environment_is_open_to_its_keys_and_to_accounts_that_reach_it(
    kind: AccountKind | None,
    environment: Environment | None,
    membership: Membership | None,
    outcome: Role | Reason,
) -> None:
    """The refusal is the same whether an environment does not exist or is out of reach. To keys of
    accounts it is a 404: Rancher's CLI looks an environment up by its name only then."""
    here = route("/{environment}", Access.ENVIRONMENT)
    verdict = authorize(principal(kind), here, "GET", environment, membership)
    assert (verdict.role if isinstance(verdict, Permit) else verdict.reason) == outcome


@pytest.mark.parametrize("state", [State.INACTIVE, State.REMOVED, State.PURGED])
@pytest.mark.parametrize("kind", [USER, ADMIN, READ_ADMIN, ENVIRONMENT_KEY])
def test_an_environment_that_is_not_active_is_out_of_reach(
    state: State, kind: AccountKind | None
) -> None:
    """For every key, those of admins too."""
    gone = environment(A.id, "a", state=state)
    here = route("/{environment}", Access.ENVIRONMENT)
    reason = Reason.ENVIRONMENT if kind is ENVIRONMENT_KEY else Reason.NO_ENVIRONMENT
    assert authorize(principal(kind), here, "GET", gone, MEMBER) == Deny(reason)


OPEN_TO: dict[Access, set[AccountKind | None]] = {
    Access.ACCOUNT: {USER, ADMIN, READ_ADMIN},
    Access.ADMIN: {ADMIN, READ_ADMIN},
    Access.ANY: {USER, ADMIN, READ_ADMIN, ENVIRONMENT_KEY},
}


@pytest.mark.parametrize("access", OPEN_TO)
@pytest.mark.parametrize("kind", [USER, ADMIN, READ_ADMIN, ENVIRONMENT_KEY])
def test_other_routes_are_open_by_the_kind_of_key(access: Access, kind: AccountKind | None) -> None:
    """`account`: to keys of accounts; `admin`: to those of admins; `any`: to every key."""
    verdict = authorize(principal(kind), route("/x", access), "GET")
    assert isinstance(verdict, Permit) == (kind in OPEN_TO[access])


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"])
def test_a_readonly_role_only_reads(method: str) -> None:
    """Whether the role is that of the key, the membership or the account."""
    reads = method in {"GET", "HEAD", "OPTIONS"}
    here = route("/{environment}", Access.ENVIRONMENT)
    readonly = Membership(1, 1, A.id, Role.READONLY, 0)
    for verdict in (
        authorize(principal(USER, Role.READONLY), here, method, A, MEMBER),
        authorize(principal(USER), here, method, A, readonly),
        authorize(principal(READ_ADMIN), here, method, A),
        authorize(principal(READ_ADMIN), route("/x", Access.ADMIN), method),
        authorize(principal(ENVIRONMENT_KEY, Role.READONLY), here, method, A),
    ):
        assert verdict == Deny(Reason.READ_ONLY) if not reads else isinstance(verdict, Permit)


def test_a_readonly_role_opens_tunnels_only_where_the_route_allows_it() -> None:
    """The method of the request does not say what is done in the tunnel."""
    plain, allowing = route("/x"), route("/x", readonly_upgrades=True)
    reader = principal(USER, Role.READONLY)
    assert authorize(reader, plain, "GET", tunnel=True) == Deny(Reason.READ_ONLY)
    assert isinstance(authorize(reader, allowing, "GET", tunnel=True), Permit)
