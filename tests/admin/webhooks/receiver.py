"""A real receiver of webhooks, which checks each signature as Standard Webhooks says."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from proxy.config.webhooks import Webhook

KEY = bytes(range(32))
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"


@dataclass(frozen=True)
class Received:
    """A message that arrived with a valid signature."""

    message: str
    payload: dict[str, Any]


@dataclass
class Receiver:
    """What arrives, and how it is answered."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    forged: int = 0
    """Requests without a valid signature."""
    answer: Callable[[], Awaitable[web.Response]] | None = None
    """None: 204."""
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def webhook(self, folder: Path, **settings: Any) -> Webhook:
        """The settings that lead here."""
        file = folder / "webhook-secret"
        file.write_text(SECRET + "\n")
        file.chmod(0o600)
        given = {"url": self.url, "secret_file": file}
        return Webhook.model_validate(given | settings)

    async def handle(self, request: web.Request) -> web.Response:
        """Take a message."""
        body = await request.read()
        if verified(request.headers.get("webhook-signature", ""), request.headers, body):
            message = request.headers["webhook-id"]
            self.received.append(Received(message, json.loads(body)))
        else:
            self.forged += 1
        self.arrived.set()
        return web.Response(status=204) if self.answer is None else await self.answer()


def verified(signature: str, headers: Any, body: bytes) -> bool:
    """Whether a signature is right, and its time no more than five minutes away."""
    message, seconds = headers["webhook-id"], headers["webhook-timestamp"]
    signed = f"{message}.{seconds}.".encode() + body
    expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    return signature == f"v1,{expected}" and abs(time.time() - int(seconds)) < 300


def status(code: int, **fields: str) -> Callable[[], Awaitable[web.Response]]:
    """An answer with this status."""

    async def answer() -> web.Response:
        return web.Response(status=code, headers=fields)

    return answer


async def hang() -> web.Response:
    """No answer at all."""
    await asyncio.Event().wait()
    return web.Response()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver on a port of its own, as a context."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/hook", receiver.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    receiver.url = f"http://{host}:{port}/hook"
    yield receiver
    await runner.cleanup()
