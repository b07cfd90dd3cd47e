"""Signatures are those of Standard Webhooks."""

from __future__ import annotations

import base64

from admin.webhooks.signature import signed_fields


def test_a_signature_is_that_of_the_reference_implementations() -> None:
    """Their test vector: id, time and body, separated by dots."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    message, body = "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}'
    assert signed_fields(key, message, 1_614_265_330_999, body) == {
        "webhook-id": message,
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
