"""Where a path leads, and who may go there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.model import (
    Account,
    AccountKind,
    Deny,
    Environment,
    Key,
    Membership,
    Permit,
    Principal,
    Reason,
    Role,
    State,
)
from proxy.domain.policy import Access, Route, Routes, Target, authorize, choose, methods_of
from proxy.http1.faults import Malformed
from proxy.http1.grammar import request_line


def route(path: str, access: Access = Access.ACCOUNT, **options: object) -> Route:
    """A route to the one upstream of these tests."""
    return Route(path, access, "default", **options)  # type: ignore[arg-type]  # test options


ROUTES = Routes(
    [
        route("/v1/projects/{environment}/public", Access.PUBLIC),
        route("/v1/projects/{environment}/**", Access.ENVIRONMENT, allow=frozenset({b"%2F", b";"})),
        route("/v1/projects"),
        route("/v1/settings/**", Access.ADMIN),
        route("/Reports/**", Access.ADMIN),
        route("/things", methods=frozenset({"GET"})),
        route("/things", Access.ADMIN, methods=frozenset({"POST"})),
        route("/ping", Access.PUBLIC),
        route("/**"),
    ]
)


class Ambiguous(Exception):
    """The path is denied."""


def lead(path: bytes) -> tuple[str, str | None] | None:
    """(pattern, slug) that `path` leads to."""
    request = request_line(b"GET " + path + b" HTTP/1.1")
    target = ROUTES.find(request.path, request.characters)
    if isinstance(target, Deny):
        raise Ambiguous
    return (target.routes[0].path, target.slug) if target else None


@pytest.mark.parametrize(
    ("path", "pattern", "slug"),
    [
        (b"/v1/projects/a/hosts/1", "/v1/projects/{environment}/**", "a"),
        (b"/v1/projects/a", "/v1/projects/{environment}/**", "a"),
        (b"/v1/projects/a/", "/v1/projects/{environment}/**", "a"),
        (b"/v1/projects/a/public", "/v1/projects/{environment}/public", "a"),
        (b"/v1/projects/A/x", "/v1/projects/{environment}/**", "A"),
        (b"/v1/projects/a/caf%C3%A9%20x", "/v1/projects/{environment}/**", "a"),
        (b"/v1/projects/a/b%2Fc;d", "/v1/projects/{environment}/**", "a"),
        (b"/v1/projects", "/v1/projects", None),
        (b"/v1/settings", "/v1/settings/**", None),
        (b"/v1/settings/x/y", "/v1/settings/**", None),
        (b"/Reports/x", "/Reports/**", None),
        (b"/", "/**", None),
        (b"/Other/X", "/**", None),
    ],
)
def test_the_first_pattern_that_fits_wins(path: bytes, pattern: str, slug: str | None) -> None:
    """A path leads to one pattern, and its environment is the segment at that place."""
    assert lead(path) == (pattern, slug)


@pytest.mark.parametrize(
    "path",
    [
        *(
            b"/v1/projects/" + name + b"/x"
            for name in (b"%61", b"a.", b"a%20", b"-a", b"a~", b"a" * 64)
        ),
        *(b"/v1/projects/" + name for name in (b"a%3fx", b"a%23x", b"a,b", b"a:b", b"%e2%80%8ba")),
        b"/V1/projects/a/x",
        b"/v1/PROJECTS/a/x",
        b"/v1/project%73/a/x",
        b"/v1/projects/",
        b"/v1/projects/a/PUBLIC",
        b"/v1/projects/a/public/",
        b"/v1/Settings/x",
        b"/v1/setting%73",
        b"/reports/x",
        b"/PING",
        b"/ping/",
        b"/v1/projects/a%2fb/x",
        b"/v1/projects/a;env=b/x",
        b"/v1/settings/a%2Fb",
        b"/v1/projects/a/b%252e",
        b"/x;y",
        b"/x%2Fy",
    ],
)
def test_another_spelling_never_slips_to_another_route(path: bytes) -> None:
    """Where a lenient reader would go elsewhere than the path as sent, it goes nowhere."""
    with pytest.raises((Ambiguous, Malformed)):
        lead(path)


def test_behind_an_environment_no_later_pattern_is_tried() -> None:
    """A path with an environment is never taken for one without."""
    routes = Routes([route("/v1/projects/{environment}/hosts", Access.ENVIRONMENT), route("/**")])
    assert routes.find(b"/v1/projects/a/other") is None
    assert routes.find(b"/v1/projects") is not None


segments = st.sampled_from(
    [b"v1", b"V1", b"projects", b"a", b"b", b"settings", b"ping", b"%61", b"x", b""]
)


@given(st.lists(segments, max_size=5))
def test_all_spellings_that_are_accepted_lead_to_one_route(parts: list[bytes]) -> None:
    """Folding letters, escapes and the last slash changes no answer, it only refuses."""
    path = b"/" + b"/".join(parts)
    try:
        here = lead(path)
        there = lead(path.lower().replace(b"%61", b"a").rstrip(b"/") or b"/")
    except (Ambiguous, Malformed):
        return
    assert here
    assert there
    assert here[0] == there[0]


def test_methods_choose_among_the_routes_of_one_pattern() -> None:
    """Another method is 405 there and never tries the next pattern; HEAD goes where GET goes."""
    target = ROUTES.find(b"/things")
    assert isinstance(target, Target)
    access = {method: choose(target, method) for method in ("GET", "HEAD", "POST", "PUT")}
    assert isinstance(access["GET"], Route)
    assert access["HEAD"] is access["GET"]
    assert isinstance(access["POST"], Route)
    assert access["POST"].access is Access.ADMIN
    assert access["PUT"] == Deny(Reason.METHOD)
    assert methods_of(target) == ["GET", "HEAD", "POST"]


A = Environment(5, "", "a", "a", None, State.ACTIVE, 0)
B = Environment(6, "", "b", "b", None, State.ACTIVE, 0)


def principal(kind: AccountKind | None, role: Role = Role.OWNER) -> Principal:
    """A key of an account of that kind; for None, of environment A."""
    account = Account(1, "", kind, "n", None, State.ACTIVE, 0) if kind else None
    key = Key(
        id=1,
        uuid="",
        access_key="K",
        secret_hash=b"",
        sealed=True,
        account_id=1 if kind else None,
        environment_id=None if kind else A.id,
        creator_id=None,
        role=role,
        name=None,
        description=None,
        state=State.ACTIVE,
        created=0,
    )
    return Principal(key, account, None if account else A)


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
        (USER, A, None, Reason.ENVIRONMENT),
        (USER, None, None, Reason.ENVIRONMENT),
        (ADMIN, A, None, Role.OWNER),
        (ADMIN, None, None, Reason.ENVIRONMENT),
        (READ_ADMIN, A, None, Role.READONLY),
    ],
)
def test_an_environment_is_open_to_its_keys_and_to_accounts_that_reach_it(
    kind: AccountKind | None,
    environment: Environment | None,
    membership: Membership | None,
    outcome: Role | Reason,
) -> None:
    """One refusal whether an environment is unknown or out of reach."""
    here = route("/{environment}", Access.ENVIRONMENT)
    verdict = authorize(principal(kind), here, "GET", environment, membership)
    assert (verdict.role if isinstance(verdict, Permit) else verdict.reason) == outcome


@pytest.mark.parametrize("state", [State.INACTIVE, State.REMOVED, State.PURGED])
@pytest.mark.parametrize("kind", [USER, ADMIN, READ_ADMIN, ENVIRONMENT_KEY])
def test_an_environment_that_is_not_active_is_out_of_reach(
    state: State, kind: AccountKind | None
) -> None:
    """For everybody, admins too."""
    gone = Environment(A.id, "", "a", "a", None, state, 0)
    here = route("/{environment}", Access.ENVIRONMENT)
    assert authorize(principal(kind), here, "GET", gone, MEMBER) == Deny(Reason.ENVIRONMENT)


OPEN_TO: dict[Access, set[AccountKind | None]] = {
    Access.ACCOUNT: {USER, ADMIN, READ_ADMIN},
    Access.ADMIN: {ADMIN, READ_ADMIN},
    Access.ANY: {USER, ADMIN, READ_ADMIN, ENVIRONMENT_KEY},
}


@pytest.mark.parametrize("access", OPEN_TO)
@pytest.mark.parametrize("kind", [USER, ADMIN, READ_ADMIN, ENVIRONMENT_KEY])
def test_other_routes_are_open_by_the_kind_of_key(access: Access, kind: AccountKind | None) -> None:
    """account: any account's; admin: admins'; any: everybody's."""
    verdict = authorize(principal(kind), route("/x", access), "GET")
    assert isinstance(verdict, Permit) == (kind in OPEN_TO[access])


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"])
def test_a_readonly_role_only_reads(method: str) -> None:
    """Whether the key's, the membership's or the account's."""
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


def test_a_readonly_role_opens_tunnels_only_by_leave_of_the_route() -> None:
    """In a tunnel a method says nothing about what is done."""
    shut, leave = route("/x"), route("/x", readonly_upgrades=True)
    reader = principal(USER, Role.READONLY)
    assert authorize(reader, shut, "GET", tunnel=True) == Deny(Reason.READ_ONLY)
    assert isinstance(authorize(reader, leave, "GET", tunnel=True), Permit)
