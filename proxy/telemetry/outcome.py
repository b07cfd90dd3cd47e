"""How a request ended: one record, from which the access log and the metrics are made. Pure."""

from __future__ import annotations

from typing import NamedTuple

from proxy.domain.reasons import BaseReason


class Outcome(NamedTuple):
    """What became of one request. Byte strings are members or values of JSON, ready to be
    written."""

    request_id: bytes
    requested: bytes
    """Who asked, and what for (`accesslog.requested`)."""
    status: int
    """What the client got; 499 where it left before (nginx's number)."""
    received: int
    """Bytes of the request's body, or that a tunnel carried from the client."""
    sent: int
    """Bytes of the answer's body, or that a tunnel carried to the client."""
    seconds: float
    """From the head of the request to the end."""
    identity: bytes = b""
    """Whose key it was (`identity.Identity.log`)."""
    agent: bytes = b'""'
    """The User-Agent (`accesslog.quote`)."""
    upstream_seconds: float | None = None
    """Until the head of the upstream's answer; None where there was none."""
    retried: bool = False
    """Whether it was sent a second time."""
    reason: BaseReason | None = None
    """Why it was refused or failed."""
