"""How a request ended: one record, from which the access log and the metrics are made. Pure.

Tested in `tests/proxy/telemetry/test_recorder.py` and `test_accesslog.py`.
"""

from __future__ import annotations

from typing import NamedTuple

from proxy.domain.reasons import BaseReason


class Outcome(NamedTuple):
    """How one request ended. Byte strings are JSON members or values, ready to be written."""

    request_id: bytes
    requested: bytes
    """The client and what it requested (`accesslog.requested`)."""
    status: int
    """What the client got; 499 where it closed before any response (nginx's number)."""
    received: int
    """Bytes of the request's body, or from the client through a tunnel."""
    sent: int
    """Bytes of the response's body, or to the client through a tunnel."""
    seconds: float
    """From the head of the request to the end."""
    identity: bytes = b""
    """The members that name the key (`identity.Identity.log`)."""
    agent: bytes = b'""'
    """The User-Agent (`accesslog.quote`)."""
    upstream_seconds: float | None = None
    """Until the head of the upstream's response; None where there was no response."""
    retried: bool = False
    """Whether the request was sent a second time."""
    reason: BaseReason | None = None
    """Why it was refused or failed."""
