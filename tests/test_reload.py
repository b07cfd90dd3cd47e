"""SIGHUP reloads the configuration of a serving process, and nothing in progress notices."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from tests.installation import CONFIG, Installation
from tests.load.crowd import until
from tests.patience import PATIENCE
from tests.programs import await_text, free_port, module, running
from tests.test_tls import Authority
from tests.upstream import RecordingUpstream

PATH = "/v1/projects/demo/x"


class Upstreams:
    """Upstreams of the test's own process, each of which answers with its name and keeps what it
    was sent."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._servers: list[asyncio.Server] = []
        self.recorded: dict[str, RecordingUpstream] = {}

    def start(self, name: str) -> int:
        """Listen on a port."""

        async def listen() -> int:
            body = name.encode()
            answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
            self.recorded[name] = upstream = RecordingUpstream(lambda _: answer)
            server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
            self._servers.append(server)
            return int(server.sockets[0].getsockname()[1])

        return asyncio.run_coroutine_threadsafe(listen(), self._loop).result(PATIENCE)

    def call(self, function: Callable[[], object]) -> None:
        """Have their event loop call a function."""
        self._loop.call_soon_threadsafe(function)

    def stop(self) -> None:
        """Stop them all."""

        async def end() -> None:
            for server in self._servers:
                server.close()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(PATIENCE)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()


@pytest.fixture
def upstreams() -> Iterator[Upstreams]:
    """No upstreams yet."""
    made = Upstreams()
    yield made
    made.stop()


class Served:
    """A serving process whose configuration changes."""

    def __init__(self, installation: Installation, process: subprocess.Popen[str]) -> None:
        self.installation = installation
        self.process = process
        self.key, self.credentials = installation.new_key("demo")
        self._reloads = 0

    @property
    def messages(self) -> str:
        """What the process has said so far."""
        return (self.installation.folder / "err").read_text()

    def configure(self, **settings: Any) -> None:
        """Change the configuration's file. None removes a setting."""
        path = self.installation.folder / CONFIG
        changed = json.loads(path.read_text()) | settings
        path.write_text(
            json.dumps({name: each for name, each in changed.items() if each is not None})
        )

    def hang_up(self, text: str = "is in use:") -> None:
        """Send SIGHUP, and wait until the process says once more that the configuration is in use,
        or another text."""
        before = self.messages.count(text)
        self.process.send_signal(signal.SIGHUP)
        until(lambda: self.messages.count(text) > before)

    def ask(self, path: str = PATH) -> int:
        """The status of a request on a connection of its own."""
        return self.installation.ask(path, self.credentials)


@contextmanager
def served(folder: Path, **settings: Any) -> Iterator[Served]:
    """Serve a configuration."""
    installation = Installation(folder, **settings)
    with installation.serving() as process:
        yield Served(installation, process)


class Kept:
    """A connection that a client keeps, until the context ends."""

    def __init__(self, it: Served) -> None:
        place = ("127.0.0.1", it.installation.gateway)
        self._socket = socket.create_connection(place, PATIENCE)
        self._authorization = it.credentials.authorization

    def __enter__(self) -> Kept:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, path: str = PATH) -> tuple[int, bytes]:
        """(status, body) of a request on it. Raises `ConnectionError` where it has ended."""
        self.send(path)
        return self.receive()

    def send(self, path: str = PATH) -> None:
        """Send a request."""
        head = f"GET {path} HTTP/1.1\r\nHost: h\r\nAuthorization: {self._authorization}\r\n\r\n"
        self._socket.sendall(head.encode())

    def receive(self) -> tuple[int, bytes]:
        """(status, body) of the answer to the next request. Raises as `ask`."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more()
        fields, _, body = data.partition(b"\r\n\r\n")
        length = int(fields.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        while len(body) < length:
            body += self._more()
        return int(fields[9:12]), body

    def _more(self) -> bytes:
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError("the connection has ended")
        return data


def test_a_kept_connection_follows_the_new_routes_with_its_next_request(
    tmp_path: Path, upstreams: Upstreams
) -> None:
    """To a new upstream, and to a refusal where no route is left."""
    with served(tmp_path, upstream=upstreams.start("old")) as it, Kept(it) as kept:
        assert kept.ask() == (200, b"old")
        it.configure(upstream=f"http://127.0.0.1:{upstreams.start('new')}")
        it.hang_up()
        assert kept.ask() == (200, b"new")
        it.configure(routes=[{"path": "/other"}])
        it.hang_up()
        assert kept.ask()[0] == 403
        it.configure(routes=None)
        it.hang_up()
        assert kept.ask() == (200, b"new")


def test_a_configuration_that_is_invalid_is_refused_with_its_errors(
    tmp_path: Path, upstreams: Upstreams
) -> None:
    """The one before stays in use, and the next valid one is taken."""
    with served(tmp_path, upstream=upstreams.start("up")) as it:
        it.configure(bcrypt_round=4, limits={"head_timeout": -1})
        it.hang_up("it has 2 problems")
        assert "bcrypt_round" in it.messages
        assert "head_timeout" in it.messages
        assert it.ask() == 200
        it.configure(bcrypt_round=None, limits=None)
        it.hang_up("is valid again")
        (tmp_path / CONFIG).write_text("listen: [")
        it.hang_up("it has 1 problem;")
        (tmp_path / CONFIG).unlink()
        it.hang_up("cannot read: No such file")
        assert it.ask() == 200


def test_a_setting_that_needs_a_restart_is_named_and_kept(
    tmp_path: Path, upstreams: Upstreams
) -> None:
    """The listeners and the store stay what they are; the rest is taken."""
    with served(tmp_path, upstream=upstreams.start("up")) as it:
        admin = {"listen": f"127.0.0.1:{free_port()}"}
        it.configure(
            listen=f"127.0.0.1:{free_port()}",
            store="sqlite:///other.db",
            admin=admin,
            access_control=False,
            public_url="https://api.example",
        )
        it.hang_up()
        for name in ("listen", "store", "access_control", "admin.listen"):
            assert f"{name} has changed, and is kept as it was" in it.messages
        assert it.ask() == 200
        assert it.installation.call("/projects")["data"][0]["endpoint"].startswith("https://api.")


def test_the_admin_server_takes_its_names_and_links(tmp_path: Path) -> None:
    """From the next request on."""
    with served(tmp_path) as it:
        listen, here = f"127.0.0.1:{it.installation.api}", it.installation
        it.configure(admin={"listen": listen, "public_url": "https://keys.example"})
        it.hang_up()
        assert here.call("/projects")["links"]["self"].startswith("https://keys.example/")
        it.configure(admin={"listen": listen, "hosts": ["elsewhere.example"]})
        it.hang_up()
        url = f"http://{listen}/v2-beta/projects"
        assert '"status": 200' not in here.curl("-u", here.admin.pair, url)
        assert here.call("/projects", "-H", "Host: elsewhere.example")["type"] == "collection"


def test_no_request_and_no_tunnel_is_lost_by_reloads(tmp_path: Path, upstreams: Upstreams) -> None:
    """Under load, with routes that change each time."""
    port = free_port()
    routes = [
        {"path": "/v1/projects/{environment}/socket", "upstream": "socket"},
        {"path": "/v1/projects/{environment}/**", "upstream": "plain"},
    ]
    both = {
        "plain": {"url": f"http://127.0.0.1:{upstreams.start('plain')}"},
        "socket": {"url": f"http://127.0.0.1:{port}"},
    }
    (origin := tmp_path / "origin").mkdir()
    with (
        running(module("tests.clients.origin", str(port), "."), port, origin),
        served(tmp_path, upstreams=both, routes=routes) as it,
    ):
        stop = threading.Event()
        answers: list[tuple[int, bytes]] = []

        def load() -> None:
            with Kept(it) as kept:
                while not stop.is_set():
                    answers.append(kept.ask())

        threads = [threading.Thread(target=load) for _ in range(8)]
        basic = {"Authorization": it.credentials.authorization}
        url = f"ws://127.0.0.1:{it.installation.gateway}/v1/projects/demo/socket"
        with connect(url, additional_headers=basic, proxy=None, open_timeout=PATIENCE) as tunnel:
            for thread in threads:
                thread.start()
            for number in range(5):
                more = [{"path": f"/more/{number}", "upstream": "plain"}] * (number % 2)
                it.configure(routes=[*more, *routes])
                it.hang_up()
                enough = len(answers) + 50
                until(lambda enough=enough: len(answers) > enough)  # type: ignore[misc]
                tunnel.send(f"hello {number}")
                assert tunnel.recv(PATIENCE) == f"HELLO {number}"
            stop.set()
            for thread in threads:
                thread.join(PATIENCE)
        assert set(answers) == {(200, b"plain")}


def test_an_upstream_that_did_not_change_keeps_its_connections(
    tmp_path: Path, upstreams: Upstreams
) -> None:
    """Though other settings did."""
    with served(tmp_path, upstream=upstreams.start("up")) as it, Kept(it) as kept:
        for size in (1024, 2048, 4096):
            assert kept.ask() == (200, b"up")
            it.configure(limits={"body_size": size})
            it.hang_up()
        # besides the gateway's attempt at the start
        assert len(upstreams.recorded["up"].requests) == 3
        assert sum(bool(each) for each in upstreams.recorded["up"].connections) == 1


def test_the_access_log_is_opened_anew(tmp_path: Path, upstreams: Upstreams) -> None:
    """As logrotate needs it: every line is in the old file or in the new one."""
    with served(tmp_path, upstream=upstreams.start("up")) as it, Kept(it) as kept:
        log, old = tmp_path / "access.log", tmp_path / "access.log.1"
        kept.ask()
        log.rename(old)
        kept.ask()
        it.hang_up()
        kept.ask()
        until(
            lambda: log.exists() and old.read_text().count("\n") + log.read_text().count("\n") == 3
        )
        assert old.read_text().count("\n") == 2


def test_changed_certificates_are_used_without_a_signal(tmp_path: Path) -> None:
    """By new connections, once certificate and key belong together; the old ones go on."""
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    old, new = Authority(tmp_path / "old"), Authority(tmp_path / "new")

    def verified_by(authority: Authority, port: int) -> bool:
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as plain:
            try:
                authority.client().wrap_socket(plain, server_hostname="localhost").close()
            except ssl.SSLCertVerificationError:
                return False
            return True

    with served(tmp_path, tls=old.settings) as it:
        port = it.installation.gateway
        assert verified_by(old, port)
        os.replace(new.chain, old.chain)
        until(lambda: "the files of tls cannot be used" in it.messages)
        assert verified_by(old, port)
        os.replace(new.key, old.key)
        until(lambda: verified_by(new, port))
        assert it.messages.count("cannot be used") == 1


def test_a_changed_token_file_is_used_without_a_signal(
    tmp_path: Path, upstreams: Upstreams
) -> None:
    """Also where it is a link that leads elsewhere now, as Kubernetes does it. What cannot be a
    token is not taken."""
    for name in ("one", "two"):
        (tmp_path / name).write_text(f"Bearer {name}\n")
    (token := tmp_path / "token").symlink_to("one")
    up = {"url": f"http://127.0.0.1:{upstreams.start('up')}", "authorization_file": str(token)}
    with served(tmp_path, upstreams={"default": up}) as it:

        def seen() -> bytes:
            assert it.ask() == 200
            return upstreams.recorded["up"].requests[-1]

        assert b"Authorization: Bearer one\r\n" in seen()
        (tmp_path / "link").symlink_to("two")
        os.replace(tmp_path / "link", token)
        until(lambda: b"Authorization: Bearer two\r\n" in seen())
        (tmp_path / "two").write_text("")
        until(lambda: "the files of upstreams.default cannot be used" in it.messages)
        assert b"Authorization: Bearer two\r\n" in seen()


def test_reloads_leave_nothing_behind(tmp_path: Path, upstreams: Upstreams) -> None:
    """No file handle and no thread, though each has another upstream."""
    ports = [upstreams.start(f"up{number}") for number in range(2)]
    with served(tmp_path, upstream=ports[0]) as it:

        def held() -> int:
            return len(list(Path(f"/proc/{it.process.pid}/fd").iterdir()))

        def reload(number: int) -> None:
            it.configure(upstream=f"http://127.0.0.1:{ports[number % 2]}")
            it.hang_up()
            assert it.ask() == 200

        for number in range(3):
            reload(number)
        before = held()
        for number in range(30):
            reload(number)
        until(lambda: held() <= before + 2)
        tasks = list(Path(f"/proc/{it.process.pid}/task").iterdir())
        assert len(tasks) < 20


def test_a_process_that_was_told_to_stop_stops_by_sigterm_after_reloads(
    tmp_path: Path, upstreams: Upstreams
) -> None:
    """SIGHUP does not end it."""
    with served(tmp_path, upstream=upstreams.start("up")) as it:
        for _ in range(3):
            it.process.send_signal(signal.SIGHUP)
        await_text(tmp_path / "err", "is in use:", it.process)
        assert it.process.poll() is None
        it.process.terminate()
        assert it.process.wait(PATIENCE) == 0
