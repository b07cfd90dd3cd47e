"""Webhooks of a whole server: what was acknowledged is told, whatever becomes of the process."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.admin.webhooks.receiver import SECRET, verified
from tests.installation import Installation
from tests.load.crowd import until

ROTATIONS = 5


class Hook(BaseHTTPRequestHandler):
    """A receiver that hangs until it is let go, and then takes messages."""

    received: dict[str, dict[str, Any]]
    hanging: threading.Event

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.hanging.is_set():
            self.rfile.read(1)  # until the other side is gone
            return
        if verified(self.headers["webhook-signature"], self.headers, body):
            self.received[self.headers["webhook-id"]] = json.loads(body)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@contextmanager
def listening() -> Iterator[tuple[str, type[Hook]]]:
    """(the URL of a receiver, what it has received), as a context."""
    hook = type("OneHook", (Hook,), {"received": {}, "hanging": threading.Event()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), hook)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/hook", hook
    server.shutdown()
    server.server_close()


def installation(folder: Path, url: str) -> Installation:
    """One with a webhook."""
    secret = folder / "webhook-secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    here = Installation(folder)
    path = folder / "wardgate.yaml"
    config = json.loads(path.read_text())
    config["admin"]["webhooks"] = {"ops": {"url": url, "secret_file": "webhook-secret"}}
    path.write_text(json.dumps(config))
    return here


def test_what_was_acknowledged_is_told_after_a_kill(tmp_path: Path) -> None:
    """Rotations that were answered before a kill -9 arrive once the server runs again, each with
    one id, although the attempt that was under way came to nothing."""
    with listening() as (url, hook):
        here = installation(tmp_path, url)
        hook.hanging.set()
        with here.serving() as process:
            made = [here.call("/apikeys", "-d", "{}")["id"] for _ in range(ROTATIONS)]
            for key in made:
                here.call(f"/apikeys/{key}/?action=rotate", "-d", "{}")
            process.kill()
            process.wait()
        hook.hanging.clear()
        assert hook.received == {}
        with here.serving():
            until(lambda: len(hook.received) == ROTATIONS)
            messages = here.call("/webhookmessages?state=delivered")["data"]
            until(lambda: len(here.call("/webhookmessages?state=delivered")["data"]) == ROTATIONS)
        assert [each["data"]["keyId"] for each in hook.received.values()] == made
        assert {each["event"] for each in messages} <= {"key.rotated"}


def test_a_test_message_arrives(tmp_path: Path) -> None:
    """And the store keeps what became of it."""
    with listening() as (url, hook):
        here = installation(tmp_path, url)
        with here.serving():
            made = here.call("/webhookmessages", "-d", '{"webhook": "ops"}')
            until(lambda: here.call(f"/webhookmessages/{made['id']}")["state"] == "delivered")
        assert [each["type"] for each in hook.received.values()] == ["webhook.test"]
