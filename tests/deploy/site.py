"""What `deploy/compose` sets up, without containers: its own files, in which only addresses and
paths are replaced."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection, HTTPResponse, IncompleteRead
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from tests.patience import PATIENCE
from tests.programs import WARDGATE, await_refusal, free_port, program, running, wardgate
from tests.support.credentials import Credentials
from tests.support.json_lines import json_lines
from tests.support.postgres import Server

COMPOSE: Final = Path(__file__).parents[2] / "deploy" / "compose"
PASSWORD: Final = "of-the-gateways"
GATES: Final = {"gate-1": "172.30.31.11", "gate-2": "172.30.31.12"}
"""The addresses of the gateways in their network."""
_SCRAM: Final = b"local all postgres trust\nlocal all all scram-sha-256\n"


class Api(ThreadingHTTPServer):
    """The API behind the gateways. A path that ends in `slow` is answered once `go_on` is set."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.go_on = threading.Event()
        self.slow = threading.Semaphore(0)
        """One for each slow request that has arrived."""

    def handle_error(self, request: object, client_address: object) -> None:
        """A gateway that is killed resets its connections."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Api

    def do_GET(self) -> None:
        if self.path.endswith("slow"):
            self.server.slow.release()
            self.server.go_on.wait()
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:
        pass


class Client:
    """A client with one connection to HAProxy, which it opens again where that has ended.

    Once, it repeats a GET whose answer breaks off, or whose kept connection ends without an answer
    (RFC 9112, section 9.3.1).
    """

    def __init__(self, port: int, key: Credentials, source: str) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, PATIENCE, (source, 0))
        self._fields = {"Authorization": key.authorization}

    def ask(self, path: str, **fields: str) -> int:
        """The status of a GET."""
        return self.send("GET", path, **fields)[0]

    def send(self, method: str, path: str, body: object = None, **fields: str) -> tuple[int, Any]:
        """(the status, what the body holds as JSON)."""
        text = None if body is None else json.dumps(body)
        kept = self._connection.sock is not None
        try:
            answer, read = self._send(method, path, text, fields)
        except (ConnectionError, IncompleteRead) as error:
            if method != "GET" or not (kept or isinstance(error, IncompleteRead)):
                raise
            self.close()
            answer, read = self._send(method, path, text, fields)
        json_ = answer.headers.get_content_type() == "application/json"
        return answer.status, json.loads(read) if json_ and read else None

    def _send(
        self, method: str, path: str, body: str | None, fields: dict[str, str]
    ) -> tuple[HTTPResponse, bytes]:
        self._connection.request(method, path, body, self._fields | fields)
        answer = self._connection.getresponse()
        return answer, answer.read()

    def close(self) -> None:
        """End the connection. The next request opens another one."""
        self._connection.close()


class Site:
    """Two gateways behind HAProxy over one PostgreSQL server, in front of `api`."""

    def __init__(self, folder: Path, postgres: Server, api: Api, open_: ExitStack) -> None:
        folder.chmod(0o700)
        self.folder = folder
        self._open = open_
        self.port, self.admin_port = free_port(), free_port()
        """Those of HAProxy."""
        self.ports = {name: (free_port(), free_port()) for name in GATES}
        self._prepare(postgres)
        for name in GATES:
            self._configure(name, postgres, api.server_port)
        made = wardgate("init", "-c", "gate-1.yaml", "--save-key", "key.json", cwd=folder)
        assert made.returncode == 0, made.stderr
        again = wardgate("init", "-c", "gate-2.yaml", "--if-needed", cwd=folder)
        assert again.returncode == 0, again.stderr
        self.admin = Credentials.of(json.loads((folder / "key.json").read_text()))
        self.processes = {name: self.start(name) for name in GATES}
        self._start_haproxy()

    def _prepare(self, postgres: Server) -> None:
        """Make the role by the file of `deploy/compose`, and demand its password."""
        password = self.folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o640)
        made = self.folder / "role.sql"
        made.write_text(_replaced("role.sql", {"/run/secrets/wardgate-password": str(password)}))
        postgres.run_file(made)
        postgres.put("pg_hba.conf", _SCRAM)
        postgres.sql("SELECT pg_reload_conf()")

    def _configure(self, name: str, postgres: Server, api: int) -> None:
        gateway, admin = self.ports[name]
        text = _replaced(
            "wardgate.yaml",
            {
                "0.0.0.0:8080": f"127.0.0.1:{gateway}",
                "0.0.0.0:8081": f"127.0.0.1:{admin}",
                "172.30.31.10": "127.0.0.1",
                "sample-api:9000": f"127.0.0.1:{api}",
                "/run/postgresql": str(postgres.folder),
                "/run/secrets/wardgate-password": str(self.folder / "password"),
                "/var/lib/wardgate": str(self.folder / name),
                "cluster:": f"cluster:\n  name: {name}",  # there, that of the host
            },
        )
        (self.folder / f"{name}.yaml").write_text(f"{text}access_log: {name}.log\n")

    def _start_haproxy(self) -> None:
        places = {
            "bind :8080": f"bind 127.0.0.1:{self.port}",
            "bind :8081": f"bind 127.0.0.1:{self.admin_port}",
        }
        for name, address in GATES.items():
            gateway, admin = self.ports[name]
            places[f"{address}:8080 check port 8081"] = f"127.0.0.1:{gateway} check port {admin}"
            places[f"{address}:8081"] = f"127.0.0.1:{admin}"
        (self.folder / "haproxy.cfg").write_text(_replaced("haproxy.cfg", places))
        command = [program("haproxy"), "-db", "-f", "haproxy.cfg"]
        self._open.enter_context(running(command, self.port, self.folder))

    def start(self, name: str) -> subprocess.Popen[str]:
        """Start a gateway, and wait until it serves."""
        command = [*WARDGATE, "serve", "-c", f"{name}.yaml"]
        return self._open.enter_context(running(command, self.ports[name][1], self.folder))

    def client(
        self, key: Credentials, port: int | None = None, source: str = "127.0.0.1"
    ) -> Client:
        """A client of HAProxy with a key, at the gateways unless there is a port."""
        client = Client(port or self.port, key, source)
        self._open.callback(client.close)
        return client

    def await_end(self, name: str) -> int:
        """The exit status of a gateway that was told to stop."""
        status = self.processes[name].wait()
        await_refusal(self.ports[name][0])
        return status

    def log(self, name: str) -> list[dict[str, Any]]:
        """What a gateway has logged of requests."""
        return json_lines(self.folder / f"{name}.log")


def _replaced(name: str, places: dict[str, str]) -> str:
    """A file of `deploy/compose` with other addresses and paths, each of which has to be in it."""
    text = (COMPOSE / name).read_text()
    for shown, used in places.items():
        assert shown in text, f"{name} has no {shown}"
        text = text.replace(shown, used)
    return text


@contextmanager
def running_api() -> Iterator[Api]:
    """The API, until the context ends."""
    api = Api()
    thread = threading.Thread(target=api.serve_forever)
    thread.start()
    try:
        yield api
    finally:
        api.go_on.set()
        api.shutdown()
        thread.join()
        api.server_close()
