"""The verdict on a request to a public route: permitted, and counted by the client's address where
the route has a rate.

Tested in `tests/proxy/gateway/test_limit_answers.py`.
"""

from __future__ import annotations

from proxy.auth.ratelimit import source_of
from proxy.auth.upstream_choice import divided
from proxy.domain.authorization import Verdict
from proxy.domain.limiting import Metered
from proxy.domain.model import Permit, Reason
from proxy.domain.routes import Route


def public_verdict(route: Route, address: str) -> Verdict:
    """The verdict on a request to a public route."""
    if route.rate is None:
        return divided(Verdict(route, Permit()), address)
    counted = Metered(
        policy="address-rate",
        subject=source_of(address),
        limit=route.rate,
        reason=Reason.ADDRESS_RATE,
        enforced=route.enforce_limits,
        table=f"{','.join(sorted(route.methods))} {route.path}",
    )
    return divided(Verdict(route, Permit(), metered=(counted,)), address)
