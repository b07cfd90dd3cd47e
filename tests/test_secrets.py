"""Secrets stay where they belong: with who presents them, and as hashes in the store."""

from __future__ import annotations

import base64
import signal
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path

import pytest

from tests.load.crowd import connect
from tests.patience import PATIENCE
from tests.programs import await_text, free_port, program, running, wardgate
from tests.test_end_to_end import Installation

GUESS = "a-guess-that-was-nearly-right"
DEVELOPING = ["/usr/bin/env", "PYTHONDEVMODE=1", "PYTHONWARNINGS=default"]
"""Has asyncio tell all it knows, and Python print every stack when it crashes."""


@dataclass(frozen=True)
class Place:
    """A gateway that tells all it can, with a key of the environment `demo`."""

    here: Installation
    process: subprocess.Popen[str]
    key: str
    secret: str

    @property
    def secrets(self) -> list[bytes]:
        """What must be seen nowhere: secrets, and what they look like on the wire."""
        pairs = [self.here.admin, f"{self.key}:{self.secret}", f"{self.key}:{GUESS}"]
        plain = [pair.rpartition(":")[2].encode() for pair in pairs]
        return [*plain, *(base64.b64encode(pair.encode()).rstrip(b"=") for pair in pairs)]

    def say(self, port: int, raw: bytes) -> bytes:
        """Send anything, and return what it is answered with."""
        with connect(port) as client:
            client.sendall(raw)
            answer = HTTPResponse(client)
            answer.begin()
            return answer.headers.as_bytes() + answer.read()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Served, and asked in every way in which a secret can come."""
    program("curl")
    folder = tmp_path_factory.mktemp("secrets")
    here = Installation(folder, free_port())
    here.command[:0] = DEVELOPING
    with running(here.command, here.api, folder) as process:
        environment = here.apply("/projects", "-d", '{"name": "Demo", "slug": "demo"}')
        key = here.apply(f"/projects/{environment['id']}/apikeys", "-d", '{"name": "k"}')
        yield Place(here, process, key["publicValue"], key["secretValue"])


def heads(place: Place) -> Iterator[bytes]:
    """Requests with a secret in a right place, or in a wrong one."""
    for secret in (place.secret, GUESS):
        pair = f"{place.key}:{secret}".encode()
        basic = b"Basic " + base64.b64encode(pair)
        begin = b"GET /v1/projects/demo/x HTTP/1.1\r\nHost: h\r\n"
        for field in (
            b"Authorization: " + basic,
            b"Authorization: " + basic + b", " + basic,
            b"Authorization: " + basic + b"\r\nAuthorization: " + basic,
            b"Authorization: Basic " + pair,
            b"Authorization: Bearer " + secret.encode(),
            b"Authorization : " + basic,
            b"Authorization\x00: " + basic,
            b"Authorization: " + basic + b"\x01",
            b"Authorization: " + basic + b"\r\nTransfer-Encoding: x",
            b"Proxy-Authorization: " + basic,
            b"X-Api-Auth-Header: " + basic,
            b"Cookie: token=" + secret.encode(),
        ):
            yield begin + field + b"\r\n\r\n"
            yield (begin + field).replace(b"/v1/projects/demo/x", b"/v2-beta/apikeys") + b"\r\n\r\n"
        target = b"/v1/projects/demo/x?token=" + secret.encode()
        yield b"GET %b HTTP/1.1\r\nHost: h\r\nAuthorization: %b\r\n\r\n" % (target, basic)
        for url in (b"http://%b@h/", b"//%b@h/", b"/#%b", b"%b@h"):
            yield b"GET " + url % pair + b" HTTP/1.1\r\nHost: h\r\n\r\n"
        yield b"secret=%b&x=y /\r\n\r\n" % secret.encode()  # the rest of a body, counted short
        yield b"\r\nAuthorization: %b\r\n\r\n" % basic
        yield b"%b /\r\n\r\n" % basic


def test_no_answer_repeats_one(place: Place) -> None:
    """Whatever is wrong with a request, at the gateway and at the admin server."""
    for port in (place.here.gateway, place.here.api):
        for raw in heads(place):
            said = place.say(port, raw)
            assert b"Content-Length: " in said
            assert not any(secret in said for secret in place.secrets), raw


def test_no_process_shows_one(place: Place) -> None:
    """Neither in `ps` nor in /proc."""
    shown = b"".join(
        Path(f"/proc/{place.process.pid}/{name}").read_bytes() for name in ("cmdline", "environ")
    )
    assert b"PYTHONDEVMODE=1" in shown
    shown += subprocess.run([program("ps"), "axeww"], capture_output=True, check=True).stdout
    assert not any(secret in shown for secret in place.secrets)


def test_no_core_is_dumped(place: Place) -> None:
    """Not to a file, and not to a handler, which Linux does not call where the limit is 1."""
    lines = Path(f"/proc/{place.process.pid}/limits").read_text().splitlines()
    (limit,) = [line.split() for line in lines if line.startswith("Max core file size")]
    assert limit[4:6] in (["1", "1"], ["0", "0"])


def test_nothing_that_is_written_holds_one(place: Place) -> None:
    """Neither the logs, however much Python tells, nor the stacks that it prints at a crash, nor
    any file of the store, which only its owner reads and which has hashes alone."""
    here, process = place.here, place.process
    for port in (here.gateway, here.api):
        for raw in heads(place):
            place.say(port, raw)
    place.say(here.gateway, b"GET /the-last-one HTTP/1.1\r\nHost: h\r\n\r\n")
    await_text(here.folder / "access.log", "the-last-one", process)
    store = here.folder / "var"
    files = {path: path.read_bytes() for path in store.iterdir()}
    assert {path.suffix for path in files} >= {".db", ".db-wal", ".db-shm"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE(store.stat().st_mode) == 0o700
    assert b"$2b$04$" in b"".join(files.values())
    process.send_signal(signal.SIGABRT)
    process.wait(PATIENCE)
    assert "Fatal Python error: Aborted" in (here.folder / "err").read_text()
    for path in here.folder.rglob("*"):
        if path.is_file():
            written = path.read_bytes()
            assert not any(secret in written for secret in place.secrets), path
    assert not list(here.folder.rglob("core*"))
    assert b'"reason":"forged"' in (here.folder / "access.log").read_bytes()


def test_a_store_that_others_can_read_is_not_served(tmp_path: Path) -> None:
    """The command that mends it is named."""
    Installation(tmp_path, free_port())
    store = tmp_path / "var" / "wardgate.db"
    store.chmod(0o640)
    done = wardgate("serve", "-c", "wardgate.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert f"run `chmod 600 {store}`" in done.stderr
