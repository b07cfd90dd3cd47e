"""The verdict on a request that is not sent: for `explain` in the admin API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, TypeAlias

from proxy.auth.access_request import AccessRequest
from proxy.auth.decision import Decider
from proxy.domain.authorization import Verdict
from proxy.domain.cors import Preflight
from proxy.domain.limiting import Metered, Reading
from proxy.domain.model import Deny, Key, Permit
from proxy.http1.faults import Fault, Malformed
from proxy.http1.grammar import request_line


class Explanation(NamedTuple):
    """A verdict, and what is left of the limits that count such requests."""

    verdict: Verdict
    readings: Sequence[Reading] = ()
    upstream_path: str | None = None
    """The path that the upstream gets, where the route changes it and the request is permitted."""


def upstream_path(verdict: Verdict, target: str) -> str | None:
    """The path that the upstream gets for a request with `target`; None where it is the client's,
    or where the request is denied."""
    if verdict.route is None or verdict.route.prefix is None or isinstance(verdict.permit, Deny):
        return None
    return verdict.route.prefix.outbound(target.partition("?")[0].encode()).decode()


Look: TypeAlias = Callable[[Sequence[Metered]], Awaitable[Sequence[Reading]]]
"""Tells what is left of limits."""


async def explain_with_limits(look: Look, verdict: Verdict) -> Explanation:
    """What a verdict comes to by the limits that count requests, of which none is used up by this.
    Raises `StoreUnavailable`."""
    readings = await look(verdict.metered)
    empty = [each.metered for each in readings if not each.left]
    for each in empty:
        if each.enforced and isinstance(verdict.permit, Permit):
            principal = verdict.permit.principal
            denied = Deny(each.reason, principal and principal.key)
            return Explanation(Verdict(verdict.route, denied), readings)
    if empty and verdict.would_refuse is None:
        verdict = verdict._replace(would_refuse=empty[0].reason)
    return Explanation(verdict, readings)


async def explain(
    decider: Decider,
    key: Key,
    method: str,
    target: str,
    line_size: int,
    origin: str | None = None,
    address: str = "",
) -> Verdict:
    """The verdict on a request with `key` and ordinary fields. `line_size` is the longest request
    line, in bytes; a longer one, and a malformed one, is denied as the gateway denies it. `address`
    is the client's; an empty one is in all networks.

    Where a page of `origin` makes the request, the browser asks first whether it may; if it may
    not, this is the verdict.

    Raises `StoreUnavailable`.
    """
    line = f"{method} {target} HTTP/1.1".encode()
    try:
        if len(line) > line_size:
            raise Malformed(Fault.REQUEST_LINE_SIZE)
        request = request_line(line)
    except Malformed as malformed:
        return Verdict(None, Deny(malformed.fault))
    method = request.method.decode()
    if origin is not None:
        asked = Preflight(origin.encode(), method, frozenset({b"authorization"}))
        preflight = AccessRequest(
            "OPTIONS", request.path, characters=request.characters, preflight=asked
        )
        verdict = await decider.decide_loading(preflight)
        if isinstance(verdict.permit, Deny):
            return verdict
    access = AccessRequest(method, request.path, characters=request.characters, address=address)
    return await decider.decide_for(key, access)
