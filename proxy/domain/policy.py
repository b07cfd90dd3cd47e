"""Who may do what at the gateway: routes, the environment of a path, and the decision. Pure.

The rule that lives here: another spelling of a path never leads to another route. A path is matched
as it was sent, and once more as the most forgiving upstream would read it; where the two part, the
request is ambiguous and refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple, TypeAlias

from proxy.domain.model import (
    READ_METHODS,
    SLUG,
    Account,
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


class Access(Enum):
    """Whose keys a route is open to."""

    ENVIRONMENT = "environment"
    """Keys of the environment in the path, and account keys that reach it."""
    ACCOUNT = "account"
    """Any account key."""
    ADMIN = "admin"
    """Keys of admin accounts; of readAdmin accounts to read."""
    ANY = "any"
    """Any valid key."""
    PUBLIC = "public"
    """Anybody. Credentials are not looked at."""


@dataclass(frozen=True, slots=True)
class Route:
    """What a path pattern is open to, and where it leads."""

    path: str
    """Literal segments, at most one `{environment}`, perhaps `**` (any number of them) last."""
    access: Access
    upstream: str
    methods: frozenset[str] | None = None
    """None: all."""
    upgrades: frozenset[str] = frozenset({"websocket"})
    """What its tunnels may speak."""
    readonly_upgrades: bool = False
    """Whether readonly roles may open tunnels, in which a method says nothing."""
    allow: frozenset[bytes] = frozenset()
    """Which of `%2F`, `%25` and `;` may stand behind its environment."""


class Target(NamedTuple):
    """Where a path leads: the routes of the first pattern that fits, and the environment's slug."""

    routes: tuple[Route, ...]
    slug: str | None


class Verdict(NamedTuple):
    """What is to become of a request. A permit has a route; an `allow` belongs to a 405."""

    route: Route | None
    permit: Permit | Deny
    allow: Sequence[str] = ()
    version: int = -1
    """Of the records that it rests on, as long as they are those it holds; -1: it is for one
    request alone."""
    until: int | None = None
    """The moment at which it ends by itself, in milliseconds since the epoch; None: no moment."""


_ENVIRONMENT: Final = "/{environment}"
_REST: Final = "/**"
_UNRESERVED: Final = re.compile(rb"%(2D|5F|7E|3[0-9]|4[1-9A-F]|5[0-9A]|6[1-9A-F]|7[0-9A])", re.I)
# RFC 3986 section 2.3, without the dot, which is refused in an escape wherever it stands.


def fold_path(path: bytes) -> bytes:
    """A path as the most forgiving upstream would read it: escapes, case and a last slash aside."""
    if b"%" in path:
        path = _UNRESERVED.sub(lambda match: bytes((int(match[1], 16),)), path)
    path = path.lower()
    return path[:-1] if len(path) > 1 and path.endswith(b"/") else path


Match: TypeAlias = "re.Match[bytes]"


@dataclass(frozen=True, slots=True)
class _Branch:
    """The patterns that are tried together: one, or all that have their environment here."""

    fits: Callable[[bytes], Match | None]
    """Of a whole path; group 1 is the segment at `{environment}`, group 2 what follows it."""
    tails: tuple[tuple[Callable[[bytes], Match | None] | None, int], ...]
    """What may follow the environment (None: anything), and the number of that pattern."""


class Routes:
    """The table of routes. Matching costs the same however many environments and keys there are."""

    def __init__(self, routes: Sequence[Route]) -> None:
        """First match wins; routes of one pattern differ by method."""
        by_path: dict[str, list[Route]] = {}
        for route in routes:
            by_path.setdefault(route.path, []).append(route)
        self._patterns = [tuple(same) for same in by_path.values()]
        folded = [path.lower() if path == "/" else path.lower().rstrip("/") for path in by_path]
        self._as_sent = _branches(list(by_path))
        self._as_folded = _branches(folded)
        self._all_folded = folded == list(by_path)

    def find(self, path: bytes, characters: frozenset[bytes] = frozenset()) -> Target | Deny | None:
        """The target of `path`, None where no route matches it, `Deny` where it is ambiguous.

        `characters` are those of `%2F`, `%25` and `;` that the path holds (`http1.request_line`).
        """
        number, slug, rest = _match(self._as_sent, path)
        folded = fold_path(path)
        # A path that folds to itself leads where it leads, unless a pattern has capital letters.
        if (folded != path or not self._all_folded) and (
            _match(self._as_folded, folded)[0] != number
        ):
            return Deny(Reason.AMBIGUOUS_PATH)
        if slug is not None and not _SLUG(slug):
            return Deny(Reason.ENVIRONMENT_NAME)
        routes = self._patterns[number] if number >= 0 else ()
        if characters and not (
            slug is not None and routes and _allowed(path, rest, characters, routes[0])
        ):
            return Deny(Reason.PATH_CHARACTERS)
        if not routes:
            return None
        return Target(routes, slug.decode() if slug is not None else None)


_SLUG: Final = re.compile(SLUG.pattern.encode()).fullmatch
_NOWHERE: Final = -1


def _match(branches: Sequence[_Branch], path: bytes) -> tuple[int, bytes | None, bytes]:
    """(number of the first pattern that fits, the environment's segment, what follows it).

    A negative number: no pattern, and which branch it was that let no later one be tried.
    """
    for place, branch in enumerate(branches):
        match = branch.fits(path)
        if match is None:
            continue
        if match.lastindex is None:
            return branch.tails[0][1], None, b""
        slug, rest = match.groups()
        for tail, number in branch.tails:
            if tail is None or tail(rest):
                return number, slug, rest
        return _NOWHERE - 1 - place, slug, rest
    return _NOWHERE, None, b""


def _branches(paths: Sequence[str]) -> list[_Branch]:
    """The patterns in order. Where a segment stands at `{environment}`, no later one is tried but
    those that have their environment at the same place: these share a branch."""
    branches: list[_Branch] = []
    heads: set[str] = set()
    for number, path in enumerate(paths):
        head, environment, _ = path.partition(_ENVIRONMENT)
        if not environment:
            branches.append(_Branch(_expression(path), ((None, number),)))
        elif head not in heads:
            heads.add(head)
            tails = tuple(
                (None if tail == _REST else _expression(tail), index)
                for index, other in enumerate(paths)
                for start, mark, tail in (other.partition(_ENVIRONMENT),)
                if mark and start == head
            )
            pattern = re.escape(head) + "/([^/]+)((?:/.*)?)"
            branches.append(_Branch(re.compile(pattern.encode()).fullmatch, tails))
    return branches


def _expression(path: str) -> Callable[[bytes], Match | None]:
    """What matches a pattern, or what follows its environment."""
    fixed = path.removesuffix(_REST)
    pattern = re.escape(fixed) + ("(?:/.*)?" if fixed != path else "")
    return re.compile(pattern.encode()).fullmatch


def _allowed(path: bytes, rest: bytes, characters: frozenset[bytes], route: Route) -> bool:
    """Whether all that `path` holds by leave only stands behind the environment of a route that
    gives the leave."""
    before = path[: len(path) - len(rest)].upper()
    return characters <= route.allow and not any(mark in before for mark in (b"%", b";"))


# --- the decision --------------------------------------------------------------------------------


def choose(target: Target, method: str) -> Route | Deny:
    """The route of `target` for `method`. HEAD goes where GET goes (RFC 9110 section 9.3.2)."""
    for route in target.routes:
        methods = route.methods
        if methods is None or method in methods or (method == "HEAD" and "GET" in methods):
            return route
    return Deny(Reason.METHOD)


def methods_of(target: Target) -> list[str]:
    """For Allow: what the routes of `target` take."""
    allowed = {method for route in target.routes for method in route.methods or ()}
    return sorted(allowed | ({"HEAD"} if "GET" in allowed else set()))


def authorize(
    principal: Principal,
    route: Route,
    method: str,
    environment: Environment | None = None,
    membership: Membership | None = None,
    *,
    tunnel: bool = False,
) -> Permit | Deny:
    """Whether `principal` may do `method` on `route`, and in which role.

    `environment` is what the path's slug stands for, None where it stands for nothing;
    `membership` is the principal's account's in it. `tunnel`: the request asks for a protocol in
    which a method says nothing, so a readonly role needs the route's leave.
    """
    if route.access is Access.ENVIRONMENT:
        role = _role_in(principal, environment, membership)
        if role is None:
            return Deny(Reason.ENVIRONMENT)
    elif not _open_to(route.access, principal.account):
        return Deny(Reason.ACCESS)
    else:
        role = _bounded(principal)
    if role is Role.READONLY and (
        method not in READ_METHODS or (tunnel and not route.readonly_upgrades)
    ):
        return Deny(Reason.READ_ONLY)
    return Permit(principal, environment, role)


def _open_to(access: Access, account: Account | None) -> bool:
    """Whether a route that is not an environment's is open to a key of `account`."""
    if access is Access.ANY:
        return True
    if account is None:
        return False
    return access is Access.ACCOUNT or account.kind is not AccountKind.USER


def _role_in(
    principal: Principal, environment: Environment | None, membership: Membership | None
) -> Role | None:
    """The principal's role in an environment, None where it is out of its reach."""
    if environment is None or environment.state is not State.ACTIVE:
        return None
    account = principal.account
    if account is None:
        same = principal.environment is not None and principal.environment.id == environment.id
        return principal.key.role if same else None
    if account.kind is not AccountKind.USER:
        return _bounded(principal)
    return principal.key.role.weaker(membership.role) if membership else None


def _bounded(principal: Principal) -> Role:
    """The role of the principal's key, within what its account's kind allows."""
    account = principal.account
    if account is not None and account.kind is AccountKind.READ_ADMIN:
        return Role.READONLY
    return principal.key.role
