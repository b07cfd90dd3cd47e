"""Origins in Python: `python -m tests.garden.echo NAME PORT JOURNAL`. Each answers with what it
saw of the request."""

from __future__ import annotations

import asyncio
import functools
import socketserver
import sys
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from tests.garden.seen import Journal

Environ = MutableMapping[str, Any]


def of_cgi(environ: Environ) -> Callable[[str], str | None]:
    """Looks fields up by the names that CGI and WSGI give them (RFC 3875 section 4.1.18)."""
    plain = {"REMOTE_USER", "CONTENT_LENGTH"}

    def look_up(name: str) -> str | None:
        key = name.upper().replace("-", "_")
        value = environ.get(f"HTTP_{key}") or (environ.get(key) if key in plain else None)
        return str(value) if value else None

    return look_up


def wsgi(journal: Journal) -> Callable[[Environ, Callable[..., Any]], Iterable[bytes]]:
    """An application for gunicorn, waitress and wsgiref."""

    def application(environ: Environ, start: Callable[..., Any]) -> Iterable[bytes]:
        length = environ.get("CONTENT_LENGTH")
        body = environ["wsgi.input"].read(*([int(length)] if length else []))
        target = environ.get("RAW_URI") or environ.get("REQUEST_URI") or ""
        path = environ["PATH_INFO"].encode("latin-1").decode(errors="replace")  # frameworks' own
        said = journal.note(environ["REQUEST_METHOD"], target, path, body, of_cgi(environ))
        start("200 OK", [("Content-Length", str(len(said)))])
        return [said]

    return application


def gunicorn(port: int, journal: Journal) -> None:
    """Gunicorn with threads, which keep connections."""
    from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]

    class Standalone(BaseApplication):  # type: ignore[misc]
        def load_config(self) -> None:
            chosen = {"bind": f"127.0.0.1:{port}", "worker_class": "gthread", "threads": 8}
            for name, value in (chosen | {"accesslog": None, "loglevel": "error"}).items():
                self.cfg.set(name, value)

        def load(self) -> Any:
            return wsgi(journal)

    sys.argv = sys.argv[:1]
    Standalone().run()


def waitress(port: int, journal: Journal) -> None:
    """Waitress."""
    from waitress import serve  # type: ignore[import-untyped]

    serve(wsgi(journal), host="127.0.0.1", port=port)


def pyramid(port: int, journal: Journal) -> None:
    """Pyramid with traversal, served by waitress. There is a resource at every path."""
    from pyramid.config import Configurator  # type: ignore[import-untyped]
    from waitress import serve

    class Node:
        def __getitem__(self, _: str) -> Node:
            return self

    def view(request: Any) -> Any:
        names = (*request.traversed, *filter(None, [request.view_name]), *request.subpath)
        body, target = request.body, request.environ.get("REQUEST_URI", "")
        path = "/" + "/".join(names)
        said = journal.note(request.method, target, path, body, of_cgi(request.environ))
        request.response.body = said
        return request.response

    config = Configurator(root_factory=lambda _: Node())
    config.add_view(view)
    config.add_notfound_view(view)  # for `@@name`, which is the name of a view that is not there
    serve(config.make_wsgi_app(), host="127.0.0.1", port=port)


def wsgiref(port: int, journal: Journal) -> None:
    """The standard library's WSGI server, which reads no chunked bodies."""

    class Quiet(WSGIRequestHandler):
        def log_message(self, format: str, *args: Any) -> None: ...

    def measured(environ: Environ, start: Callable[..., Any]) -> Iterable[bytes]:
        environ["CONTENT_LENGTH"] = environ.get("CONTENT_LENGTH") or "0"
        return wsgi(journal)(environ, start)

    make_server("127.0.0.1", port, measured, handler_class=Quiet).serve_forever()


def asgi(journal: Journal) -> Callable[..., Awaitable[None]]:
    """An application for uvicorn."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        fields: dict[bytes, bytes] = dict(scope["headers"])

        def look_up(name: str) -> str | None:
            value = fields.get(name.lower().encode())
            return value.decode("latin-1") if value is not None else None

        query = scope["query_string"].decode("latin-1")
        target = scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
        said = journal.note(scope["method"], target, scope["path"], body, look_up)
        length = (b"content-length", b"%d" % len(said))
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": said})

    return application


def uvicorn(port: int, journal: Journal, reader: str) -> None:
    """Uvicorn with one of its two readers."""
    from uvicorn import run

    run(asgi(journal), host="127.0.0.1", port=port, http=reader, log_level="error")


def tornado(port: int, journal: Journal) -> None:
    """Tornado."""
    from tornado.web import Application, RequestHandler

    class Echo(RequestHandler):
        def prepare(self) -> None:
            request = self.request
            said = journal.note(
                request.method or "", request.uri or "", None, request.body, request.headers.get
            )
            self.finish(said)

    async def main() -> None:
        Application([(r".*", Echo)]).listen(port, "127.0.0.1")
        await asyncio.Event().wait()

    asyncio.run(main())


def aiohttp(port: int, journal: Journal) -> None:
    """aiohttp's server."""
    from aiohttp import web

    async def echo(request: web.Request) -> web.Response:
        body = await request.read()
        look_up = request.headers.get
        path = look_up("X-Read-Path") or request.path  # of a server in front
        return web.Response(
            body=journal.note(request.method, request.raw_path, path, body, look_up)
        )

    application = web.Application(client_max_size=1 << 30)
    application.router.add_route("*", "/{rest:.*}", echo)
    web.run_app(application, host="127.0.0.1", port=port, print=None, access_log=None)


def http_server(port: int, journal: Journal, *, reads: bool = True) -> None:
    """The standard library's server, with a handler such as most people write: it takes a GET to
    have no body. Unless it `reads`, it does not read that of a POST either."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _say(self, body: bytes = b"") -> None:
            said = journal.note(self.command, self.path, None, body, self.headers.get)
            self.send_response(200)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(said)

        do_GET = do_HEAD = do_OPTIONS = do_DELETE = lambda self: self._say()

        def do_POST(self) -> None:
            self._say(self.rfile.read(int(self.headers.get("Content-Length", "0"))))

        do_PUT = do_PATCH = do_POST
        if not reads:
            do_POST = do_PUT = do_PATCH = do_GET

        def log_message(self, format: str, *args: Any) -> None: ...

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


def scgi(port: int, journal: Journal) -> None:
    """The server behind the servers in C, which pass on what they read by SCGI."""

    def netstring(stream: BufferedIOBase) -> bytes:
        length = b""
        while (byte := stream.read(1)) not in (b":", b""):
            length += byte
        data = stream.read(int(length or b"0"))
        stream.read(1)
        return data

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            words = [word.decode("latin-1") for word in netstring(self.rfile).split(b"\0")]
            environ: Environ = dict(zip(words[::2], words[1::2], strict=False))
            if not environ:
                return  # a connection that only tried whether the port is open
            body = self.rfile.read(int(environ.get("CONTENT_LENGTH") or 0))
            path = environ.get("READ_PATH") or environ.get("PATH_INFO") or environ["SCRIPT_NAME"]
            path = path.encode("latin-1").decode(errors="replace")
            target = environ["REQUEST_URI"]
            said = journal.note(environ["REQUEST_METHOD"], target, path, body, of_cgi(environ))
            head = b"Status: 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            self.wfile.write(head % len(said) + said)

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True
        request_queue_size = 128

    Server(("127.0.0.1", port), Handler).serve_forever()


ORIGINS: dict[str, Callable[[int, Journal], None]] = {
    "gunicorn": gunicorn,
    "waitress": waitress,
    "pyramid": pyramid,
    "wsgiref": wsgiref,
    "uvicorn-h11": lambda port, journal: uvicorn(port, journal, "h11"),
    "uvicorn-httptools": lambda port, journal: uvicorn(port, journal, "httptools"),
    "tornado": tornado,
    "aiohttp": aiohttp,
    "http.server": http_server,
    "http.server-deaf": functools.partial(http_server, reads=False),
    "scgi": scgi,
}

if __name__ == "__main__":
    ORIGINS[sys.argv[1]](int(sys.argv[2]), Journal(sys.argv[3]))
