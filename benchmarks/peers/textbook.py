"""A gateway as one would first write it in Python: an aiohttp server and a `ClientSession`."""

from __future__ import annotations

import hmac
import logging
import sys

import uvloop
from aiohttp import ClientSession, DummyCookieJar, TCPConnector, web

HOP_BY_HOP = frozenset({
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer",
    "transfer-encoding", "upgrade", "content-length",
})  # fmt: skip

UPSTREAM, AUTHORIZATION, SESSION = (
    web.AppKey("upstream", str),
    web.AppKey("authorization", str),
    web.AppKey("session", ClientSession),
)


async def forward(request: web.Request) -> web.StreamResponse:
    """Check the one password, forward the request, stream the answer back."""
    given = request.headers.get("Authorization", "")
    if not hmac.compare_digest(given.encode(), request.app[AUTHORIZATION].encode()):
        return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="bench"'})
    headers = {
        name: value
        for name, value in request.headers.items()
        if name.lower() not in HOP_BY_HOP | {"host", "authorization"}
    }
    async with request.app[SESSION].request(
        request.method,
        request.app[UPSTREAM] + request.raw_path,
        headers=headers,
        data=request.content if request.can_read_body else None,
        allow_redirects=False,
    ) as answer:
        kept = {k: v for k, v in answer.headers.items() if k.lower() not in HOP_BY_HOP}
        response = web.StreamResponse(status=answer.status, headers=kept)
        response.content_length = answer.content_length
        await response.prepare(request)
        async for piece in answer.content.iter_any():
            await response.write(piece)
        await response.write_eof()
        return response


async def application(upstream: str, authorization: str) -> web.Application:
    """The gateway to `upstream` for requests with this Authorization field."""
    app = web.Application()
    app[UPSTREAM], app[AUTHORIZATION] = upstream, authorization
    app.router.add_route("*", "/{path:.*}", forward)

    async def session(app: web.Application) -> None:
        app[SESSION] = ClientSession(
            connector=TCPConnector(limit=512),
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,
        )

    app.on_startup.append(session)
    app.on_cleanup.append(lambda app: app[SESSION].close())
    return app


def main() -> None:
    port, upstream, authorization = sys.argv[1:]
    logging.basicConfig(filename="access.log", level=logging.INFO, format="%(message)s")
    web.run_app(
        application(upstream, authorization),
        host="127.0.0.1",
        port=int(port),
        backlog=1024,
        loop=uvloop.new_event_loop(),
        print=None,
    )


if __name__ == "__main__":
    main()
