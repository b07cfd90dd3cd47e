"""Secret keys are with their owners, and as hashes in the store, and nowhere else."""

from __future__ import annotations

import signal
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPResponse
from pathlib import Path

import pytest

from tests.installation import CONFIG, Installation
from tests.load.crowd import connect
from tests.patience import PATIENCE
from tests.programs import await_text, program, wardgate
from tests.support.credentials import Credentials

GUESS = "a-guess-that-was-nearly-right"
DEVELOPING = ["/usr/bin/env", "PYTHONDEVMODE=1", "PYTHONWARNINGS=default"]
"""Makes asyncio log all it knows, and Python print all stacks when it crashes."""


@dataclass(frozen=True)
class Talkative:
    """A gateway that logs all it can, with a key of the environment `demo`."""

    here: Installation
    process: subprocess.Popen[str]
    credentials: Credentials

    @property
    def guess(self) -> Credentials:
        """The access key with a wrong secret key."""
        return replace(self.credentials, secret=GUESS)

    @property
    def secrets(self) -> list[bytes]:
        """What must be seen nowhere: secret keys, and credentials in base64."""
        known = [self.here.admin, self.credentials, self.guess]
        plain = [each.secret.encode() for each in known]
        return [*plain, *(in_base64(each).rstrip(b"=") for each in known)]

    def send(self, port: int, raw: bytes) -> bytes:
        """Send any bytes, and return the fields and the body of the answer."""
        with connect(port) as client:
            client.sendall(raw)
            answer = HTTPResponse(client)
            answer.begin()
            return answer.headers.as_bytes() + answer.read()


def in_base64(credentials: Credentials) -> bytes:
    """The credentials as HTTP Basic encodes them."""
    return credentials.authorization.removeprefix("Basic ").encode()


@contextmanager
def serving(folder: Path) -> Iterator[Talkative]:
    """The gateway and its admin server, as one process."""
    program("curl")
    here = Installation(folder)
    here.command[:0] = DEVELOPING
    with here.serving() as process:
        _, credentials = here.new_key("demo")
        yield Talkative(here, process, credentials)


@pytest.fixture(scope="module")
def talkative(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talkative]:
    """A gateway for the tests that leave it running."""
    with serving(tmp_path_factory.mktemp("secrets")) as here:
        yield here


@pytest.fixture
def crashing(tmp_path: Path) -> Iterator[Talkative]:
    """A gateway for the test that crashes it."""
    with serving(tmp_path) as here:
        yield here


def heads(talkative: Talkative) -> Iterator[bytes]:
    """Requests with a secret key, in every place where one may come."""
    for credentials in (talkative.credentials, talkative.guess):
        pair, secret = credentials.pair.encode(), credentials.secret
        basic = credentials.authorization.encode()
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
        # The rest of a body whose Content-Length is too small.
        yield b"secret=%b&x=y /\r\n\r\n" % secret.encode()
        yield b"\r\nAuthorization: %b\r\n\r\n" % basic
        yield b"%b /\r\n\r\n" % basic


def test_no_answer_repeats_a_secret(talkative: Talkative) -> None:
    """Whatever is wrong with a request, at the gateway and at the admin server."""
    for port in (talkative.here.gateway, talkative.here.api):
        for raw in heads(talkative):
            answer = talkative.send(port, raw)
            assert b"Content-Length: " in answer
            assert not any(secret in answer for secret in talkative.secrets), raw


def test_no_process_shows_a_secret(talkative: Talkative) -> None:
    """Neither in `ps` nor in /proc."""
    shown = b"".join(
        Path(f"/proc/{talkative.process.pid}/{name}").read_bytes()
        for name in ("cmdline", "environ")
    )
    assert b"PYTHONDEVMODE=1" in shown
    shown += subprocess.run([program("ps"), "axeww"], capture_output=True, check=True).stdout
    assert not any(secret in shown for secret in talkative.secrets)


def test_no_core_is_dumped(talkative: Talkative) -> None:
    """Not to a file, nor to a handler: Linux calls none where the limit is 1 (core(5))."""
    lines = Path(f"/proc/{talkative.process.pid}/limits").read_text().splitlines()
    (limit,) = [line.split() for line in lines if line.startswith("Max core file size")]
    assert limit[4:6] in (["1", "1"], ["0", "0"])


def test_no_file_has_a_secret(crashing: Talkative) -> None:
    """Neither the logs, in Python's development mode, nor the stacks that it prints at a crash, nor
    any file of the store, which only its owner can read and which has hashes alone."""
    here, process = crashing.here, crashing.process
    for port in (here.gateway, here.api):
        for raw in heads(crashing):
            crashing.send(port, raw)
    crashing.send(here.gateway, b"GET /the-last-one HTTP/1.1\r\nHost: h\r\n\r\n")
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
            assert not any(secret in written for secret in crashing.secrets), path
    assert not list(here.folder.rglob("core*"))
    assert b'"reason":"forged"' in (here.folder / "access.log").read_bytes()


def test_a_store_that_others_can_read_is_not_served(tmp_path: Path) -> None:
    """The message names the command that corrects its mode."""
    Installation(tmp_path)
    store = tmp_path / "var" / "wardgate.db"
    store.chmod(0o640)
    done = wardgate("serve", "-c", CONFIG, cwd=tmp_path)
    assert done.returncode == 1
    assert f"run `chmod 600 {store}`" in done.stderr
