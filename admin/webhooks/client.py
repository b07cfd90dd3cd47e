"""One attempt to give a message to a webhook. (Tested by tests/admin/webhooks/test_sender.py.)"""

from __future__ import annotations

import asyncio

import aiohttp

from admin.outgoing import session
from admin.webhooks.retries import Outcome
from admin.webhooks.signature import signed_fields
from proxy.config.webhooks import Webhook
from proxy.domain.events import Delivery


async def attempt(webhook: Webhook, delivery: Delivery, now: int) -> Outcome:
    """Send a message. TLS is verified, no redirect is followed, and nothing of the answer is read
    but its head. `now` is in milliseconds since the epoch."""
    body = delivery.body.encode()
    fields = signed_fields(webhook.secret.get_secret_value(), delivery.message, now, body)
    fields |= {"Content-Type": "application/json", "User-Agent": "wardgate"}
    try:
        async with (
            asyncio.timeout(webhook.timeout),
            session(webhook.context) as client,
            client.post(webhook.url, data=body, headers=fields, allow_redirects=False) as answer,
        ):
            status = answer.status
    except TimeoutError:
        return Outcome(None, f"no answer within {webhook.timeout:g} s")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return Outcome(None, type(error).__name__)  # its text may repeat a part of the URL
    ok = 200 <= status < 300
    return Outcome(status, None if ok else f"status {status}")
