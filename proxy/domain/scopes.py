"""Scopes: the methods and paths that a key is limited to. Pure.

A scope is a pattern as routes have them, judged as they are (`domain.routes`): a path is within it
where each of its readings is. A key with several scopes may do what one of them permits.

Tested in `tests/proxy/domain/test_scopes.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from proxy.domain.methods import ANY, STANDARD, passes
from proxy.domain.model import SLUG
from proxy.domain.routes import Access, Route, Routes, Target

ENVIRONMENT: Final = "{environment}"
REST: Final = "**"
_SEGMENT: Final = re.compile(r"[A-Za-z0-9._~!$&'()*+,=:@-]+").fullmatch
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+").fullmatch
PATTERNS: Final = 1024
"""How many patterns are kept ready to be matched."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Methods, and the pattern of the paths for which they are permitted."""

    methods: frozenset[str]
    """May hold `methods.ANY`."""
    path: str
    _segments: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_segments", tuple(self.path.split("/")[1:]))

    @classmethod
    def parse(cls, text: str) -> Scope:
        """`GET /v1/things/**`, `GET,POST /v1/things` or `* /**`. Raises ValueError."""
        methods, blank, path = text.partition(" ")
        names = frozenset(methods.split(","))
        if not blank or not all(name == ANY or (_TOKEN(name) and passes(name)) for name in names):
            raise ValueError("should be METHODS PATH, such as GET,POST /v1/things/**")
        _check_path(path)
        return cls(frozenset({ANY}) if ANY in names else names, path)

    def __str__(self) -> str:
        order = {name: place for place, name in enumerate(STANDARD)}
        names = sorted(self.methods, key=lambda name: (order.get(name, len(order)), name))
        return f"{','.join(names)} {self.path}"

    def permits(self, method: str, path: bytes) -> bool:
        """Whether a request is within the scope. HEAD is where GET is. The characters of the path
        that only a route may allow were judged with the route."""
        return self._takes(method) and isinstance(_table(self.path).find(path), Target)

    def covers(self, method: str, other: Scope) -> bool:
        """Whether it permits `method` on all paths of `other`."""
        return self._takes(method) and _is_part(other._segments, self._segments)

    def _takes(self, method: str) -> bool:
        methods = self.methods
        return method in methods or ANY in methods or (method == "HEAD" and "GET" in methods)


def permit(scopes: Sequence[Scope], method: str, path: bytes) -> bool:
    """Whether a request is within one of the scopes. No scopes at all: everything is."""
    return not scopes or any(scope.permits(method, path) for scope in scopes)


def cover(outer: Sequence[Scope], inner: Iterable[Scope]) -> bool:
    """Whether `outer` permits all that `inner` does, pattern by pattern: one pattern that only
    several others cover together counts as wider."""
    inner = list(inner)
    if not outer:
        return True
    return bool(inner) and all(
        any(scope.covers(method, each) for scope in outer)
        for each in inner
        for method in each.methods
    )


def _check_path(path: str) -> None:
    """Raises ValueError."""
    first, *segments = path.split("/")
    literal = [each for each in segments if each not in {ENVIRONMENT, REST}]
    fine = (
        first == ""
        and segments
        and segments.count(ENVIRONMENT) <= 1
        and REST not in segments[:-1]
        and all(_SEGMENT(each) for each in literal if each or len(segments) > 1)
        and not {".", ".."} & set(segments)
    )
    if not fine:
        raise ValueError(
            "should have a path such as /v1/projects/{environment}/hosts/**, in which the last "
            "segment may be **"
        )


@lru_cache(PATTERNS)
def _table(path: str) -> Routes:
    return Routes([Route(path, Access.ANY, "")])


def _is_part(inner: Sequence[str], outer: Sequence[str]) -> bool:
    """Whether each path of the pattern `inner` is one of `outer`."""
    for place, segment in enumerate(outer):
        if segment == REST:
            return True
        if place >= len(inner):
            return False
        own = inner[place]
        named = segment == ENVIRONMENT and (own == ENVIRONMENT or SLUG.fullmatch(own))
        if own != segment and not named:
            return False
    return len(inner) == len(outer)
