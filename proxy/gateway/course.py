"""What an exchange has worked out, and the next one of its connection can go by.

Tested in `tests/proxy/gateway/test_repeat.py`.
"""

from __future__ import annotations

from math import inf
from typing import Final, NamedTuple

from proxy.domain.authorization import Verdict
from proxy.domain.model import Permit
from proxy.gateway.memo import Memo
from proxy.gateway.pool import Pool
from proxy.gateway.response import ResponseWriter
from proxy.gateway.runtime import Runtime

MAX_BODY: Final = 64 * 1024
"""Bytes of a body that is sent together with its head."""


class Course(NamedTuple):
    """The course of an exchange that was permitted, and got its response at once."""

    memo: Memo
    runtime: Runtime
    verdict: Verdict
    pool: Pool
    identity: bytes
    """The members that name the key, for the log."""
    response: ResponseWriter
    until: float
    """When the next exchange takes another course, in milliseconds since the epoch; infinite: not
    because of the time."""


class Refused(NamedTuple):
    """The course of an exchange that had no body, and was refused for what its head says."""

    memo: Memo
    runtime: Runtime
    version: int
    """That of the records by which it was refused."""
    response: ResponseWriter


def repeats_request(memo: Memo) -> bool:
    """Whether a request asks for no more than a response on a connection that is kept, and its body
    is so small that it may arrive with the head."""
    head, fields = memo.head, memo.head.fields
    asks_more = fields.upgrade is not None or fields.expect or fields.request_id is not None
    large = fields.chunked or (fields.length or 0) > MAX_BODY
    return not (memo.alone or asks_more or large) and head.request.minor > 0


def repeats_verdict(verdict: Verdict) -> bool:
    """Whether a verdict says all that there is to know of a request that is permitted by it."""
    route, metered = verdict.route, verdict.metered
    if route is None or verdict.version < 0 or verdict.preflight:
        return False
    noted = verdict.would_refuse is not None or not all(each.enforced for each in metered)
    return not noted and not (metered and route.ratelimit_fields)


def repeats_response(response: ResponseWriter) -> bool:
    """Whether a response came at once, and the connection is kept after it."""
    return response.status < 500 and response.at_once == response.sent and response.keep


def changes_at(verdict: Verdict, response: ResponseWriter, notice: int) -> float:
    """`Course.until`, where clients are told for `notice` milliseconds that their key expires."""
    permit = verdict.permit
    principal = permit.principal if isinstance(permit, Permit) else None
    expires = principal and principal.key.expires
    if expires and not response.added:  # its responses do not say yet that the key expires
        return expires - notice
    return inf
