"""Which of several upstreams gets a request: a part of the decision, so that `explain` tells it."""

from __future__ import annotations

from proxy.auth.ratelimit import source_of
from proxy.domain.authorization import Verdict
from proxy.domain.model import Deny


def divided(verdict: Verdict, address: str) -> Verdict:
    """`verdict` with the upstream, where its route divides requests among several: by the key, and
    without one by the client's address, or the IPv6 /64 that it is in."""
    route, permit = verdict.route, verdict.permit
    if route is None or route.split is None or isinstance(permit, Deny):
        return verdict
    who = source_of(address) if permit.principal is None else permit.principal.key.ref
    return verdict._replace(upstream=route.split.choose(who))
