"""What a trace tells of a request, by OpenTelemetry's semantic conventions for HTTP servers.

Source: https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server

Tested in `tests/proxy/gateway/test_tracing.py`.
"""

from __future__ import annotations

from proxy.auth.access_request import AccessRequest
from proxy.domain.methods import REGISTERED
from proxy.domain.model import Deny, Permit
from proxy.domain.reasons import BaseReason


def told_of(
    access: AccessRequest, permit: Permit | Deny | None, status: int, reason: BaseReason | None
) -> tuple[str, dict[str, str | int]]:
    """(the name, the attributes) of the span of a request that ended with `status`. The query is
    not among them, as it is not in the access log."""
    known = access.method in REGISTERED
    told: dict[str, str | int] = {
        "http.request.method": access.method if known else "_OTHER",
        "url.path": access.path.decode("latin-1"),
        "client.address": access.address,
        "http.response.status_code": status,
    }
    name = access.method if known else "HTTP"
    if access.routed is not None and access.routed.route is not None:
        told["http.route"] = access.routed.route.path
        name += f" {access.routed.route.path}"
    key, environment = None, None
    if isinstance(permit, Deny):
        key, environment = permit.key, permit.environment
    elif permit is not None:
        key, environment = permit.principal and permit.principal.key, permit.environment
    if key is not None:
        told["wardgate.key"] = key.ref
    if environment is not None:
        told["wardgate.environment"] = environment.slug
    if reason is not None:
        told["error.type"] = reason.code
    return name, told
