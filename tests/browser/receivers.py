"""Receivers of webhooks, each of which answers in its own way, and upstreams that are well or not:
the settings of a Wardgate with all of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.admin.webhooks.receiver import SECRET
from tests.programs import free_port

ANSWERS = {"ops": 204, "paging": 503, "former-vendor": 410}
"""The name of a webhook → the status with which it answers: it has a message, is sent it again, or
wants no more of it."""


class Hook(BaseHTTPRequestHandler):
    """Answers with the status that the path names."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(int(self.path.strip("/")))
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@contextmanager
def receiving() -> Iterator[str]:
    """The URL of the receivers, until the context ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def webhooks(folder: Path, url: str) -> dict[str, Any]:
    """The settings of the webhooks; their secret is in a file in `folder`."""
    secret = folder / "webhook-secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    return {
        name: {"url": f"{url}/{status}", "secret_file": str(secret)}
        for name, status in ANSWERS.items()
    }


def upstreams(port: int) -> dict[str, Any]:
    """The settings of upstreams on a port: one at a single URL, and one with three targets; nobody
    listens at the second."""
    well = f"http://127.0.0.1:{port}"
    targets = [well, {"url": f"http://127.0.0.1:{free_port()}", "weight": 2}]
    targets.append({"url": f"http://localhost:{port}", "priority": 1})
    checks = {"path": "/", "interval": 1, "unhealthy": 1, "statuses": [200, 401, 404]}
    return {
        "default": {"url": well},
        "search": {"targets": targets, "checks": checks, "breaker": {}},
    }


def routes() -> list[dict[str, Any]]:
    """The settings of routes to these upstreams."""
    return [
        {"path": "/v1/projects/{environment}/**", "access": "environment", "upstream": "default"},
        {"path": "/search/**", "access": "account", "upstream": "search"},
    ]
