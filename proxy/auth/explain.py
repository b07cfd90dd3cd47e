"""The verdict on a request that is not sent: for `explain` in the admin API."""

from __future__ import annotations

from proxy.auth.decision import AccessRequest, Decider
from proxy.domain.authorization import Verdict
from proxy.domain.model import Deny, Key
from proxy.http1.faults import Fault, Malformed
from proxy.http1.grammar import request_line


async def explain(decider: Decider, key: Key, method: str, target: str, line_size: int) -> Verdict:
    """The verdict on a request with `key` and ordinary fields. `line_size` is the longest request
    line, in bytes; a longer one, and a malformed one, is denied as the gateway denies it.

    Raises `StoreUnavailable`.
    """
    line = f"{method} {target} HTTP/1.1".encode()
    try:
        if len(line) > line_size:
            raise Malformed(Fault.REQUEST_LINE_SIZE)
        request = request_line(line)
    except Malformed as malformed:
        return Verdict(None, Deny(malformed.fault))
    access = AccessRequest(request.method.decode(), request.path, characters=request.characters)
    return await decider.decide_for(key, access)
