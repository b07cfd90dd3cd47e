"""The prefixes of routes: what they may hold, and which of them open paths that others guard.

A route that changes the beginning of its paths gives the upstream's paths a second name. The rule
that lives here: that name is open to nobody to whom the paths' own routes are closed. So
`/legacy/**` without its prefix must not lead around `/v1/projects/{environment}/**`.

Tested in `tests/proxy/config/test_prefixes.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from proxy.domain.patterns import ENVIRONMENT, REST, check_pattern

if TYPE_CHECKING:
    from proxy.config.route import Route

MAX_PREFIX: Final = 256
"""Characters."""

OPEN_TO: Final = {
    "public": {"public"},
    "any": {"public", "any"},
    "account": {"public", "any", "account"},
    "environment": {"public", "any", "environment"},
    "admin": {"public", "any", "account", "environment", "admin"},
}
"""Access of a route → the access of other routes that are open to each of its keys too."""


def fixed_segments(text: str) -> str:
    """`text`, if it is literal segments, as in `/v1/api`. Raises ValueError."""
    if ENVIRONMENT in text:
        raise ValueError(
            "should hold no {environment}: which environment a request is about "
            "stays in the path that the upstream gets"
        )
    if "%" in text or REST in text:
        raise ValueError("should hold whole segments without escapes and wildcards, such as /api")
    if text == "/" or len(text) > MAX_PREFIX:
        raise ValueError(f"should be one or more segments, and at most {MAX_PREFIX} characters")
    check_pattern(text)
    if any(segment[0] == "." or segment[-1] == "." for segment in text[1:].split("/")):
        raise ValueError("should have no segment that begins or ends with a dot")
    return text


def begins(path: str, prefix: str) -> bool:
    """Whether a pattern begins with these segments."""
    return path == prefix or path.startswith(prefix + "/")


def inner(route: Route) -> str:
    """The pattern of the paths that the upstream gets for those of a route."""
    return (route.add_prefix or "") + route.path.removeprefix(route.strip_prefix or "") or "/"


def upstreams_of(route: Route) -> set[str]:
    """The names of the upstreams that get the requests of a route, where there are several."""
    return (
        set(route.upstream) if isinstance(route.upstream, dict) else {route.upstream or "default"}
    )


def opens(route: Route, other: Route) -> bool:
    """Whether `route`, which has a prefix, leads to paths that `other` guards, and has not at least
    as strict an access. What is only an exception of a more general pattern is meant so, as
    `/static/**` is one of `/**`."""
    mine, theirs = inner(route).lower().split("/"), inner(other).lower().split("/")
    if not _overlap(mine, theirs) or (_covers(theirs, mine) and mine != theirs):
        return False
    if other.access not in OPEN_TO[route.access]:
        return True
    # Where both are open to environments, they take the name of one from the same place.
    return other.access == "environment" == route.access and _place(mine) != _place(theirs)


def _place(segments: list[str]) -> int:
    return segments.index(ENVIRONMENT)


def _overlap(one: list[str], other: list[str]) -> bool:
    """Whether some path matches both patterns."""
    for mine, theirs in _aligned(one, other):
        if REST in {mine, theirs}:
            return True
        if None in {mine, theirs} or (mine != theirs and ENVIRONMENT not in {mine, theirs}):
            return False
    return True


def _covers(general: list[str], special: list[str]) -> bool:
    """Whether every path that matches `special` matches `general`."""
    for mine, theirs in _aligned(general, special):
        if mine == REST:
            return True
        if mine is None or theirs in {None, REST}:
            return False
        if mine not in {theirs, ENVIRONMENT}:
            return False
    return True


def _aligned(one: list[str], other: list[str]) -> Iterator[tuple[str | None, str | None]]:
    for place in range(max(len(one), len(other))):
        yield (
            one[place] if place < len(one) else None,
            other[place] if place < len(other) else None,
        )
