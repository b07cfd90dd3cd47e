"""Scopes: the methods and paths that a key is limited to. Pure.

A scope has a pattern as a route has. A key with several scopes may do what one of them permits.

The rule that lives here: a path is within a scope only if it matches the pattern byte by byte, as
it was sent. Then no reading of it (`domain.readings`) leads out: `http1.grammar` refuses a path
that climbs to a parent in any reading, and the text that matched is read by everybody in the same
way, since neither a segment of a pattern nor the name of an environment holds `%` or `;`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from proxy.domain.methods import ANY, STANDARD, passes
from proxy.domain.names import SLUG
from proxy.domain.patterns import ENVIRONMENT, REST, check_pattern

MAX_LENGTH: Final = 1024
"""Characters of a scope."""

_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+").fullmatch
_SLUG: Final = re.compile(SLUG.pattern.encode()).fullmatch


@dataclass(frozen=True, slots=True)
class Scope:
    """Methods, and the pattern of the paths for which they are permitted."""

    methods: frozenset[str]
    """May hold `methods.ANY`."""
    path: str
    _segments: tuple[bytes, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_segments", segments_of(self.path.encode()))

    @classmethod
    def parse(cls, text: str) -> Scope:
        """`GET /v1/things/**`, `GET,POST /v1/things` or `* /**`. Raises ValueError."""
        methods, blank, path = text.partition(" ")
        names = frozenset(methods.split(","))
        fine = all(name == ANY or (_TOKEN(name) and passes(name)) for name in names)
        if not (blank and fine and len(text) <= MAX_LENGTH):
            raise ValueError("should be METHODS PATH, such as GET,POST /v1/things/**")
        try:
            check_pattern(path)
        except ValueError as error:
            raise ValueError(f"should have a path such as /v1/things/**: it {error}") from None
        return cls(frozenset({ANY}) if ANY in names else names, path)

    def __str__(self) -> str:
        order = {name: place for place, name in enumerate(STANDARD)}
        names = sorted(self.methods, key=lambda name: (order.get(name, len(order)), name))
        return f"{','.join(names)} {self.path}"

    def permits(self, method: str, segments: Sequence[bytes]) -> bool:
        """Whether a request is within the scope; `segments` are those of its path. HEAD is where
        GET is. The characters that only a route may allow were judged with the route."""
        return self._takes(method) and _matches(self._segments, segments)

    def covers(self, method: str, other: Scope) -> bool:
        """Whether it permits `method` on all paths of `other`."""
        return self._takes(method) and _matches(
            self._segments, other._segments, placeholder=_ENVIRONMENT
        )

    def _takes(self, method: str) -> bool:
        methods = self.methods
        return method in methods or ANY in methods or (method == "HEAD" and "GET" in methods)


def segments_of(path: bytes) -> tuple[bytes, ...]:
    """What stands between the slashes of a path."""
    return tuple(path.split(b"/")[1:])


def permit(scopes: Sequence[Scope], method: str, path: bytes) -> bool:
    """Whether a request is within one of the scopes. No scopes at all: everything is."""
    if not scopes:
        return True
    segments = segments_of(path)
    return any(scope.permits(method, segments) for scope in scopes)


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


_ENVIRONMENT: Final = ENVIRONMENT.encode()
_REST: Final = REST.encode()


def _matches(
    pattern: Sequence[bytes], path: Sequence[bytes], placeholder: bytes | None = None
) -> bool:
    """Whether a path matches a pattern. With `placeholder` it is a pattern itself, whose paths all
    have to match: what stands for any environment in it matches an environment."""
    for place, segment in enumerate(pattern):
        if segment == _REST:
            return True
        if place >= len(path):
            return False
        own = path[place]
        if segment == _ENVIRONMENT:
            if not (_SLUG(own) or own == placeholder):
                return False
        elif own != segment:
            return False
    return len(pattern) == len(path)
