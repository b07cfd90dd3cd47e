"""What an exchange has worked out, and the next one of its connection can go by.

Tested in `tests/proxy/gateway/test_repeat.py`.
"""

from __future__ import annotations

from typing import NamedTuple

from proxy.domain.authorization import Verdict
from proxy.gateway.memo import Memo
from proxy.gateway.pool import Pool
from proxy.gateway.response import ResponseWriter
from proxy.gateway.runtime import Runtime


class Course(NamedTuple):
    """The course of an exchange that had no body, was permitted, and got its response at once."""

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
