"""The verdict on a request that is not sent: for `explain` in the admin API."""

from __future__ import annotations

from proxy.auth.decision import AccessRequest, Decider
from proxy.domain.authorization import Verdict
from proxy.domain.cors import Preflight
from proxy.domain.model import Deny, Key
from proxy.http1.faults import Fault, Malformed
from proxy.http1.grammar import request_line


async def explain(
    decider: Decider, key: Key, method: str, target: str, line_size: int, origin: str | None = None
) -> Verdict:
    """The verdict on a request with `key` and ordinary fields. `line_size` is the longest request
    line, in bytes; a longer one, and a malformed one, is denied as the gateway denies it.

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
    access = AccessRequest(method, request.path, characters=request.characters)
    return await decider.decide_for(key, access)
