"""The limits that would have sufficed for what a key was used for. Pure.

The rule that lives here: advice never widens. What was used is known by route, method, environment
and network; where that says less than the limits of a key do already, these stay as they are.

Tested in `tests/proxy/domain/test_advice.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_network
from typing import Final

from proxy.domain.limits import MAX_ENTRIES, Limits, wider_parts
from proxy.domain.methods import ANY
from proxy.domain.patterns import ENVIRONMENT
from proxy.domain.scopes import Scope
from proxy.domain.usage import OTHER_METHOD

MAX_SLUGS: Final = 4
"""Environments that the scopes of one route name one by one; with more, they have the
placeholder."""


@dataclass(frozen=True, slots=True)
class Used:
    """Requests that were let through, alike in all of this."""

    route: str
    method: str
    """A registered method, or `OTHER_METHOD`."""
    slug: str | None
    """The name of the environment; None for none, or one that is not there any more."""
    requests: int
    last: int
    """When the last day with such a request begins, in milliseconds since the epoch."""


def advised(limits: Limits, used: Sequence[Used], networks: Collection[str] | None) -> Limits:
    """The limits with the scopes and networks that would have sufficed. `networks` are those from
    which the key was used, None if they are too many to be known."""
    found = limits
    scopes = tuple(_scopes(used))
    if 0 < len(scopes) <= MAX_ENTRIES:
        found = replace(found, scopes=scopes)
    if networks and len(networks) <= MAX_ENTRIES:
        found = replace(found, networks=tuple(ip_network(each) for each in sorted(networks)))
    wider = {name: getattr(limits, name) for name in wider_parts(found, limits)}
    return replace(found, **wider)


def _scopes(used: Sequence[Used]) -> Iterator[Scope]:
    """A scope for each route that was used, or one for each of its few environments."""
    for route in sorted({each.route for each in used if each.route}):
        of_route = [each for each in used if each.route == route]
        slugs = {each.slug for each in of_route}
        apart = ENVIRONMENT in route and len(slugs) <= MAX_SLUGS and None not in slugs
        for slug in sorted(slugs, key=str) if apart else [None]:
            path = route if slug is None else route.replace(ENVIRONMENT, slug)
            yield Scope(_methods(each for each in of_route if slug in {None, each.slug}), path)


def _methods(used: Iterator[Used]) -> frozenset[str]:
    methods = {each.method for each in used}
    if OTHER_METHOD in methods:
        return frozenset({ANY})
    return frozenset(methods - {"HEAD"} if "GET" in methods else methods)
