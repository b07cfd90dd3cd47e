"""Signatures of Standard Webhooks (https://github.com/standard-webhooks/standard-webhooks, spec
1.0.0): HMAC-SHA256 over the id, the time of the attempt and the body. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac


def signed_fields(key: bytes, message: str, now: int, body: bytes) -> dict[str, str]:
    """The header fields of an attempt, which begins `now` (milliseconds since the epoch).

    The id is that of the message, so that a receiver recognises one that comes twice; it refuses
    times that are minutes away, so that nobody can send an old one again.
    """
    seconds = str(now // 1000)
    content = b".".join((message.encode(), seconds.encode(), body))
    digest = hmac.new(key, content, hashlib.sha256).digest()
    return {
        "webhook-id": message,
        "webhook-timestamp": seconds,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
