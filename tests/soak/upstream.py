"""The sample API, with a WebSocket that sends back what it gets. Argument: the port."""

from __future__ import annotations

import sys

from aiohttp import WSMsgType, web

from proxy.quickstart.sample_api import create_app


async def socket(request: web.Request) -> web.WebSocketResponse:
    """Serve a WebSocket until the client ends it."""
    made = web.WebSocketResponse()
    await made.prepare(request)
    async for message in made:
        if message.type is WSMsgType.TEXT:
            await made.send_str(message.data)
    return made


if __name__ == "__main__":
    app = create_app()
    app.router.add_get("/v1/projects/{environment}/socket", socket)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, shutdown_timeout=1)
