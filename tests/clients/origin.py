"""The origin server of the clients' tests: `python -m tests.clients.origin PORT FOLDER`, where
FOLDER has the git repositories."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys

from aiohttp import WSMsgType, web

BASE = "/v1/projects/demo"
LARGE = hashlib.sha256(b"seed").digest() * 100_000
PAGE = b"""<!doctype html><title>page</title><p id=said>nothing</p><script>
(async () => {
  const options = { method: 'POST', body: 'from a page' };
  // Without the credentials that the page's own URL may have: fetch refuses those.
  const echo = location.origin + location.pathname.replace('page', 'echo');
  const said = await (await fetch(echo, options)).json();
  document.getElementById('said').textContent = said.method + ' ' + said.body;
})();
</script>"""


async def echo(request: web.Request) -> web.Response:
    """What the request had, as JSON."""
    body = await request.read()
    return web.json_response(
        {
            "method": request.method,
            "length": len(body),
            "hash": hashlib.sha256(body).hexdigest(),
            "body": body[:100].decode("latin-1"),
            "chunked": "chunked" in request.headers.get("Transfer-Encoding", ""),
            "environment": request.headers.get("X-Wardgate-Environment"),
        }
    )


async def large(_request: web.Request) -> web.Response:
    return web.Response(body=LARGE)


async def page(_request: web.Request) -> web.Response:
    return web.Response(body=PAGE, content_type="text/html")


async def socket(request: web.Request) -> web.WebSocketResponse:
    """A WebSocket that sends each text back in capitals."""
    answer = web.WebSocketResponse()
    await answer.prepare(request)
    async for message in answer:
        if message.type is WSMsgType.TEXT:
            await answer.send_str(message.data.upper())
    return answer


async def git(request: web.Request) -> web.Response:
    """`git http-backend`, which is a CGI program (RFC 3875)."""
    body = await request.read()
    fields = request.headers
    environ = os.environ | {
        "GIT_PROJECT_ROOT": request.app["folder"],
        "GIT_HTTP_EXPORT_ALL": "1",
        "REMOTE_USER": fields.get("X-Wardgate-Key", ""),
        "REQUEST_METHOD": request.method,
        "PATH_INFO": "/" + request.match_info["rest"],
        "QUERY_STRING": request.query_string,
        "CONTENT_TYPE": fields.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": fields.get("Content-Encoding", ""),
        "GIT_PROTOCOL": fields.get("Git-Protocol", ""),
    }
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        "git", "http-backend", env=environ, stdin=pipe, stdout=pipe
    )
    output, _ = await process.communicate(body)
    head, _, content = output.partition(b"\r\n\r\n")
    lines = [line.partition(": ") for line in head.decode().split("\r\n")]
    answer = {name: value for name, _, value in lines}
    status = int(answer.pop("Status", "200").split()[0])
    return web.Response(status=status, headers=answer, body=content)


def main() -> None:
    """Serve until the process is ended."""
    application = web.Application(client_max_size=1 << 30)
    application["folder"] = sys.argv[2]
    for path, handler in {"page": page, "large": large, "socket": socket}.items():
        application.router.add_get(f"{BASE}/{path}", handler)
    application.router.add_route("*", f"{BASE}/echo", echo)
    application.router.add_route("*", f"{BASE}/git/{{rest:.*}}", git)
    web.run_app(application, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)


if __name__ == "__main__":
    main()
