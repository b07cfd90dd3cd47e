"""Advice on a key in the API: reading what a URL asks for, and showing it as JSON. Pure.

Tested in `tests/admin/api/test_advice.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from admin.api.representations import Json, Links, date_fields
from admin.api.schemas import KEY
from admin.service import Advice
from admin.service.errors import Refused
from proxy.domain.advice import Used
from proxy.domain.limits import limits_json

DEFAULT_DAYS = 90
MOST_DAYS = 366


def parse_days(parameters: Mapping[str, str]) -> int:
    """From how many days of use the advice is made. Raises `Refused`."""
    text = parameters.get("days", str(DEFAULT_DAYS))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST_DAYS):
        detail = f"days must be a number from 1 to {MOST_DAYS}"
        raise Refused("InvalidFormat", detail, field="days")
    return int(text)


def advice_json(advice: Advice, links: Links) -> Json:
    """Advice, with the limits in the form in which a key takes them."""
    key = advice.key
    itself = links.resource(KEY, key.ref)
    networks = None if advice.networks is None else sorted(advice.networks.items())
    return {
        "type": "advice",
        "links": {"self": f"{itself}/advice", "key": itself},
        "actions": {},
        **date_fields("observedSince", advice.since),
        "requests": sum(each.requests for each in advice.used),
        "used": [
            {
                "route": each.route,
                "method": each.method,
                "environment": each.slug,
                "requests": each.requests,
                **date_fields("lastUsed", each.last),
            }
            for each in sorted(advice.used, key=_order)
        ],
        "networks": None
        if networks is None
        else [{"network": name, **date_fields("lastUsed", last)} for name, last in networks],
        "unusedRoutes": list(advice.unused_routes),
        "unusedEnvironments": list(advice.unused_environments),
        "limits": limits_json(advice.limits),
        "narrower": advice.narrower,
    }


def _order(each: Used) -> tuple[str, str, str]:
    return each.route, each.method, each.slug or ""
