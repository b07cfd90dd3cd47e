"""Routes: which route a path matches, and the environment in it. Pure.

The rule that lives here: no other spelling of a path matches another route. A path is matched as it
was sent, and once more in each way in which some upstream would read it (`domain.readings`); where
two of them match different routes, the request is ambiguous and refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple, TypeAlias

from proxy.domain.cors import Cors
from proxy.domain.gcra import Rate
from proxy.domain.header_rules import HeaderRules
from proxy.domain.methods import ANY, STANDARD
from proxy.domain.model import Deny, Reason
from proxy.domain.names import SLUG
from proxy.domain.prefix import Prefix
from proxy.domain.presentation import BASIC, Presentation
from proxy.domain.readings import bare, fold, readings
from proxy.domain.split import Split


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
    """With `split`, the one that gets the most."""
    methods: frozenset[str] = frozenset(STANDARD)
    """May hold `methods.ANY`."""
    upgrades: frozenset[str] = frozenset({"websocket"})
    """The protocols that its tunnels may speak."""
    readonly_upgrades: bool = False
    """Whether readonly roles may open tunnels, in which nothing tells reading from writing."""
    allow: frozenset[bytes] = frozenset()
    """Which of the characters that a path may have by leave only (`grammar.RequestLine`) it may
    have at `**`."""
    credentials: Presentation = BASIC
    """How clients may present their keys."""
    cors: Cors | None = None
    """Which pages of other origins may use it. The gateway answers their preflights itself."""
    upstream_cors: bool = False
    """Whether preflights are passed on to the upstream, although they have no credentials."""
    rate: Rate | None = None
    """How often each address may use it, where it is public."""
    enforce_limits: bool = True
    """Whether limits refuse requests, or only log what they would refuse."""
    ratelimit_fields: bool = False
    """Whether answers of the upstream say what is left of rates and quotas."""
    body_size: int | None = None
    """The largest body of a request, in bytes; None: unlimited."""
    first_byte_timeout: float | None = None
    """In seconds; None: that of the upstream."""
    idle_timeout: float | None = None
    """In seconds; None: that of the upstream."""
    split: Split | None = None
    """How its requests are divided among several upstreams; None: all go to `upstream`."""
    headers: HeaderRules | None = None
    """Which fields of the upstream's answers are set or left out."""
    prefix: Prefix | None = None
    """How the path for the upstream differs; None: it does not."""


class Target(NamedTuple):
    """The routes of the first pattern that matches a path, and the environment's slug in it."""

    routes: tuple[Route, ...]
    slug: str | None


_ENVIRONMENT: Final = "/{environment}"
_REST: Final = "/**"
_PLAIN: Final = b"abcdefghijklmnopqrstuvwxyz0123456789/_~!&'()*+,=:@-"
"""A path of these alone, without a slash at its end, has no other reading."""


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
        folded = [bare(fold(path)) for path in by_path]
        self._as_sent = _branches(list(by_path))
        self._as_read = _branches(folded)
        self._with_suffix = _branches(folded, suffix=True)
        self._all_folded = folded == list(by_path)
        self._contested = [_contested(path, folded[:place]) for place, path in enumerate(folded)]
        """Of each pattern: whether one before it matches some path that begins as it does."""
        self._slashes = [path.removesuffix(_REST).count("/") for path in by_path]
        """Of each pattern: how many it has without `**`."""
        self._prefixes = [
            [route.prefix for route in same if route.prefix is not None] for same in self._patterns
        ]

    def find(self, path: bytes, characters: frozenset[bytes] = frozenset()) -> Target | Deny | None:
        """The target of `path`, None where no route matches it, `Deny` where it is ambiguous.

        `characters` are those of the path that only a route may allow
        (`http1.grammar.request_line`).
        """
        number, slug = _match(self._as_sent, path)
        if (number < 0 or self._contested[number]) and not self._is_clear(path, number, slug):
            return Deny(Reason.AMBIGUOUS_PATH)
        if slug is not None and not _SLUG(slug):
            return Deny(Reason.ENVIRONMENT_NAME)
        routes = self._patterns[number] if number >= 0 else ()
        # The rest of a path that matches is the pattern's own text and a slug: these hold none.
        if characters and not (routes and characters <= routes[0].allow):
            return Deny(Reason.PATH_CHARACTERS)
        if not routes:
            return None
        if self._prefixes[number] and not all(
            prefix.is_clear(path) for prefix in self._prefixes[number]
        ):
            return Deny(Reason.AMBIGUOUS_PATH)
        return Target(routes, slug.decode() if slug is not None else None)

    def _is_clear(self, path: bytes, number: int, slug: bytes | None) -> bool:
        """Whether each reading of a path matches the pattern that the path itself matches, with the
        same environment."""
        if self._all_folded and not path.translate(None, _PLAIN) and path[-1:] != b"/":
            return True
        # What a pattern names in full, such as /openapi.json, is no other path with a suffix.
        named = number >= 0 and path.count(b"/") == self._slashes[number]
        branches = self._as_read if named else self._with_suffix
        small = slug and slug.lower()
        return all(
            _match(branches, bare(reading).encode()) == (number, small)
            for reading in readings(path.decode())
        )


_SLUG: Final = re.compile(SLUG.pattern.encode()).fullmatch
_NOWHERE: Final = -1


def _match(branches: Sequence[_Branch], path: bytes) -> tuple[int, bytes | None]:
    """(number of the first pattern that matches, the environment's segment).

    A negative number: no pattern matches. It also says which branch ended the search, if one did.
    """
    for place, branch in enumerate(branches):
        match = branch.fits(path)
        if match is None:
            continue
        if match.lastindex is None:
            return branch.tails[0][1], None
        slug, rest = match.groups()
        for tail, number in branch.tails:
            if tail is None or tail(rest):
                return number, slug
        return _NOWHERE - 1 - place, slug
    return _NOWHERE, None


def _branches(paths: Sequence[str], *, suffix: bool = False) -> list[_Branch]:
    """The branches of the patterns, in order. Once a path has a segment at `{environment}`, only
    patterns with `{environment}` at the same place are tried: these share a branch.

    With `suffix`, they also match paths with a suffix such as `.json` at the end: Rails and Spring
    take it for the format of the answer.
    """
    branches: list[_Branch] = []
    heads: set[str] = set()
    for number, path in enumerate(paths):
        head, environment, _ = path.partition(_ENVIRONMENT)
        if not environment:
            branches.append(_Branch(_expression(path, suffix), ((None, number),)))
        elif head not in heads:
            heads.add(head)
            tails = tuple(
                (None if tail == _REST else _expression(tail, suffix), index)
                for index, other in enumerate(paths)
                for start, mark, tail in (other.partition(_ENVIRONMENT),)
                if mark and start == head
            )
            pattern = re.escape(head) + "/([^/]+)((?:/.*)?)"
            branches.append(_Branch(re.compile(pattern.encode()).fullmatch, tails))
    return branches


def _expression(path: str, suffix: bool) -> Callable[[bytes], Match | None]:
    """The matcher of a pattern, or of the part of one that follows its environment."""
    fixed = path.removesuffix(_REST)
    ends = ["/.*"] * (fixed != path) + [r" *\.[^/]*"] * (suffix and fixed.strip("/") != "")
    pattern = re.escape(fixed) + (f"(?:{'|'.join(ends)})?" if ends else "")
    return re.compile(pattern.encode()).fullmatch


def _contested(path: str, earlier: Sequence[str]) -> bool:
    """Whether one of the patterns `earlier` matches some path that begins as `path` does, up to its
    `**`. No reading of a path differs from it there."""
    own = path.removesuffix(_REST).split("/")
    return any(_overlap(own, other.split("/"), longer=own != path.split("/")) for other in earlier)


def _overlap(own: list[str], other: list[str], *, longer: bool) -> bool:
    for mine, theirs in zip(own, other, strict=False):
        if theirs == "**":
            return True
        if mine != theirs and "{environment}" not in {mine, theirs}:
            return False
    return len(other) == len(own) or (len(other) > len(own) and (longer or other[len(own)] == "**"))


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
