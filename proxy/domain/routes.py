"""Routes: which route a path matches, and the environment in it. Pure.

The rule that lives here: no other spelling of a path matches another route. A path is matched as it
was sent, and once more as the most lenient upstream would read it; where the two match different
routes, the request is ambiguous and refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple, TypeAlias

from proxy.domain.cors import Cors
from proxy.domain.methods import ANY, STANDARD
from proxy.domain.model import SLUG, Deny, Reason
from proxy.domain.presentation import BASIC, Presentation


class Access(Enum):
    """Whose keys a route is open to."""

    ENVIRONMENT = "environment"
    """Keys of the environment in the path, and account keys that reach it."""
    ACCOUNT = "account"
    """Any account key."""
    ADMIN = "admin"
    """Keys of admin accounts, and for reading those of readAdmin accounts."""
    ANY = "any"
    """Any valid key."""
    PUBLIC = "public"
    """Anyone. Credentials are ignored."""


@dataclass(frozen=True, slots=True)
class Route:
    """A path pattern: which keys it is open to, and which upstream it is sent to."""

    path: str
    """Literal segments; one may be `{environment}`, the last one `**` (any number of segments)."""
    access: Access
    upstream: str
    methods: frozenset[str] = frozenset(STANDARD)
    """May hold `methods.ANY`."""
    upgrades: frozenset[str] = frozenset({"websocket"})
    """The protocols that its tunnels may speak."""
    readonly_upgrades: bool = False
    """Whether readonly roles may open tunnels, in which nothing tells reading from writing."""
    allow: frozenset[bytes] = frozenset()
    """Which of `%2F`, `%25` and `;` may stand behind the environment in a path."""
    credentials: Presentation = BASIC
    """How clients may present their keys."""
    cors: Cors | None = None
    """Which pages of other origins may use it. The gateway answers their preflights itself."""
    upstream_cors: bool = False
    """Whether preflights are passed on to the upstream, although they have no credentials."""


class Target(NamedTuple):
    """The routes of the first pattern that matches a path, and the environment's slug in it."""

    routes: tuple[Route, ...]
    slug: str | None


_ENVIRONMENT: Final = "/{environment}"
_REST: Final = "/**"
_UNRESERVED: Final = re.compile(rb"%(2D|5F|7E|3[0-9]|4[1-9A-F]|5[0-9A]|6[1-9A-F]|7[0-9A])", re.I)
# RFC 3986 section 2.3, without the dot: an escaped dot is refused in every path.


def fold_path(path: bytes) -> bytes:
    """A path as the most lenient upstream would read it: without escapes of unreserved characters,
    in lower case, without a last slash."""
    if b"%" in path:
        path = _UNRESERVED.sub(lambda match: bytes((int(match[1], 16),)), path)
    path = path.lower()
    return path[:-1] if len(path) > 1 and path.endswith(b"/") else path


Match: TypeAlias = "re.Match[bytes]"


@dataclass(frozen=True, slots=True)
class _Branch:
    """Patterns that are tried together: one, or all that have `{environment}` at the same place."""

    fits: Callable[[bytes], Match | None]
    """Matches a whole path; group 1 is the segment at `{environment}`, group 2 what follows it."""
    tails: tuple[tuple[Callable[[bytes], Match | None] | None, int], ...]
    """Of each pattern: what may follow the environment (None: anything), and its number."""


class Routes:
    """The table of routes. What a match costs does not depend on the number of environments."""

    def __init__(self, routes: Sequence[Route]) -> None:
        """The first pattern that matches wins; routes of one pattern differ by method."""
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

        `characters` are those of `%2F`, `%25` and `;` that the path has
        (`http1.grammar.request_line`).
        """
        number, slug, rest = _match(self._as_sent, path)
        folded = fold_path(path)
        # A path that folds to itself matches the same again, unless a pattern has capital letters.
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
    """(number of the first pattern that matches, the environment's segment, what follows it).

    A negative number: no pattern matches. It also says which branch ended the search, if one did.
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
    """The branches of the patterns, in order. Once a path has a segment at `{environment}`, only
    patterns with `{environment}` at the same place are tried: these share a branch."""
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
    """The matcher of a pattern, or of the part of one that follows its environment."""
    fixed = path.removesuffix(_REST)
    pattern = re.escape(fixed) + ("(?:/.*)?" if fixed != path else "")
    return re.compile(pattern.encode()).fullmatch


def _allowed(path: bytes, rest: bytes, characters: frozenset[bytes], route: Route) -> bool:
    """Whether `route` allows all of `characters`, and they stand behind the environment only."""
    before = path[: len(path) - len(rest)].upper()
    return characters <= route.allow and not any(mark in before for mark in (b"%", b";"))


def choose(target: Target, method: str) -> Route | Deny:
    """The route of `target` for `method`. HEAD is allowed where GET is (RFC 9110 section 9.3.2)."""
    for route in target.routes:
        methods = route.methods
        if method in methods or (method == "HEAD" and "GET" in methods):
            return route
        if ANY in methods:
            return Deny(Reason.METHOD) if _in_another_case(target, method) else route
    return Deny(Reason.METHOD)


def _in_another_case(target: Target, method: str) -> bool:
    """Whether a route of `target` names `method` in another case: an upstream that does not
    distinguish cases would read it as that method."""
    named = {name for route in target.routes for name in route.methods}
    return method not in named and method.upper() in map(str.upper, named)


def methods_of(target: Target) -> list[str]:
    """The methods that the routes of `target` take, for the Allow field; of all methods, the
    standard ones."""
    allowed = {method for route in target.routes for method in route.methods}
    if ANY in allowed:
        allowed = (allowed - {ANY}) | set(STANDARD)
    return sorted(allowed | ({"HEAD"} if "GET" in allowed else set()))
