"""Common clients work through the gateway as their users expect."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
import requests
from websockets.sync.client import connect

from tests.clients.origin import BASE, LARGE
from tests.installation import Installation
from tests.patience import PATIENCE
from tests.programs import free_port, module, program, running
from tests.support.credentials import Credentials

HERE = Path(__file__).parent
SUM = hashlib.sha256(LARGE).hexdigest()


@dataclass(frozen=True)
class Gateway:
    """A gateway in front of the origin, and the credentials of the clients."""

    folder: Path
    port: int
    credentials: Credentials

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{BASE}"

    @property
    def auth(self) -> tuple[str, str]:
        """(access key, secret key)"""
        return self.credentials.access_key, self.credentials.secret

    @property
    def url_with_key(self) -> str:
        return self.url.replace("://", f"://{self.credentials.pair}@")

    def run(self, *command: str | Path, data: bytes | None = None, **environ: str) -> str:
        """What a program prints that runs in the folder, which is its home too."""
        done = subprocess.run(
            command,
            input=data,
            capture_output=True,
            check=False,
            timeout=250,  # Go compiles its library first
            cwd=self.folder,
            env=os.environ | {"HOME": str(self.folder)} | environ,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with a key of the environment `demo`."""
    folder, port = tmp_path_factory.mktemp("clients"), free_port()
    home = folder / "home"
    home.mkdir(0o700)
    here = Installation(home, port)
    origin = module("tests.clients.origin", str(port), str(folder))
    with running(origin, port, folder), here.serving():
        _, credentials = here.new_key("demo")
        yield Gateway(folder, here.gateway, credentials)


def check(echo: dict[str, Any], method: str, body: bytes, *, chunked: bool = False) -> None:
    """The origin got such a request, as its answer says."""
    assert echo["method"] == method
    assert echo["hash"] == hashlib.sha256(body).hexdigest()
    assert echo["chunked"] == chunked
    assert echo["environment"] == "demo"


def test_curl_downloads_and_uploads_on_one_connection_and_waits_for_100(gateway: Gateway) -> None:
    """With a length, in chunks, and with the 100 that it waits for before a large upload."""
    curl = [program("curl"), "-sS", "--fail", "-u", gateway.credentials.pair]
    check(json.loads(gateway.run(*curl, f"{gateway.url}/echo")), "GET", b"")
    check(json.loads(gateway.run(*curl, "-d", "hello", f"{gateway.url}/echo")), "POST", b"hello")
    twice = [f"{gateway.url}/echo", "-o", os.devnull] * 2
    assert gateway.run(*curl, "-w", "%{num_connects}", *twice) == "10"
    chunked = ("-T", "-", "-H", "Transfer-Encoding: chunked")
    echo = gateway.run(*curl, *chunked, f"{gateway.url}/echo", data=LARGE)
    check(json.loads(echo), "PUT", LARGE, chunked=True)
    gateway.run(*curl, "-o", "large", f"{gateway.url}/large")
    assert hashlib.sha256((gateway.folder / "large").read_bytes()).hexdigest() == SUM
    expect = ("-H", "Expect: 100-continue", "--expect100-timeout", str(PATIENCE))
    answers = gateway.run(*curl, *expect, "-T", "large", "-i", f"{gateway.url}/echo")
    assert answers.startswith("HTTP/1.1 100 Continue")
    check(json.loads(answers.rpartition("\r\n\r\n")[2]), "PUT", LARGE)


def test_a_session_of_requests_keeps_one_connection(gateway: Gateway) -> None:
    """For downloads, and for uploads with a length and in chunks."""
    with requests.Session() as session:
        session.auth = gateway.auth
        session.trust_env = False
        check(session.get(f"{gateway.url}/echo").json(), "GET", b"")
        check(session.post(f"{gateway.url}/echo", data=b"hello").json(), "POST", b"hello")
        pieces = iter([b"piece ", b"by piece"])
        echo = session.put(f"{gateway.url}/echo", data=pieces).json()
        check(echo, "PUT", b"piece by piece", chunked=True)
        assert session.get(f"{gateway.url}/large").content == LARGE
        pools = session.adapters["http://"].poolmanager.pools  # type: ignore[attr-defined]
        assert [pools[key].num_connections for key in list(pools.keys())] == [1]


def test_httpx_downloads_and_uploads_on_one_connection(gateway: Gateway) -> None:
    """By its synchronous client; the asynchronous one speaks the same HTTP."""
    limits = httpx.Limits(max_connections=1)
    with httpx.Client(
        base_url=gateway.url, auth=gateway.auth, limits=limits, trust_env=False, timeout=PATIENCE
    ) as client:
        check(client.get("/echo").json(), "GET", b"")
        check(client.post("/echo", content=b"hello").json(), "POST", b"hello")
        pieces = iter([b"piece ", b"by piece"])
        check(client.put("/echo", content=pieces).json(), "PUT", b"piece by piece", chunked=True)
        with client.stream("GET", "/large") as answer:
            assert b"".join(answer.iter_bytes()) == LARGE


async def test_aiohttp_downloads_uploads_and_speaks_websocket(gateway: Gateway) -> None:
    """With many requests on two connections."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b"piece "
        yield b"by piece"

    headers = {"Authorization": gateway.credentials.authorization}
    connector = aiohttp.TCPConnector(limit=2)
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
        for _ in range(50):
            async with session.get(f"{gateway.url}/echo") as answer:
                check(await answer.json(), "GET", b"")
        async with session.post(f"{gateway.url}/echo", data=b"hello", expect100=True) as answer:
            check(await answer.json(), "POST", b"hello")
        async with session.put(f"{gateway.url}/echo", data=pieces()) as answer:
            check(await answer.json(), "PUT", b"piece by piece", chunked=True)
        async with session.get(f"{gateway.url}/large") as answer:
            assert await answer.read() == LARGE
        async with session.ws_connect(f"{gateway.url}/socket") as websocket:
            await websocket.send_str("hello")
            assert await websocket.receive_str() == "HELLO"


def test_websockets_sends_messages_both_ways_and_closes_cleanly(gateway: Gateway) -> None:
    """A short and a long message, and a closing handshake."""
    url = gateway.url.replace("http:", "ws:") + "/socket"
    with connect(
        url,
        additional_headers={"Authorization": gateway.credentials.authorization},
        proxy=None,
        open_timeout=PATIENCE,
        ping_timeout=PATIENCE,
        close_timeout=PATIENCE,
    ) as websocket:
        for text in ("hello", "x" * 200_000):
            websocket.send(text)
            assert websocket.recv(timeout=PATIENCE) == text.upper()
    assert websocket.close_code == 1000


def test_node_downloads_and_uploads_and_waits_for_100(gateway: Gateway) -> None:
    """By fetch, and by the http module for Expect."""
    script = HERE / "client.js"
    answers = json.loads(
        gateway.run(program("node"), script, gateway.url, gateway.credentials.pair)
    )
    check(answers["get"], "GET", b"")
    check(answers["post"], "POST", b"hello")
    check(answers["chunked"], "PUT", b"piece by piece", chunked=True)
    check(answers["expecting"], "POST", b"hello")
    assert answers["expecting"]["continued"]
    assert answers["large"] == len(LARGE)


def test_go_downloads_and_uploads_on_one_connection_and_waits_for_100(gateway: Gateway) -> None:
    """By net/http."""
    go, cache = program("go"), str(gateway.folder / "cache")
    command = (go, "run", HERE / "client.go", gateway.url, *gateway.auth)
    answers = json.loads(gateway.run(*command, GOCACHE=cache, GO111MODULE="off"))
    check(answers["get"], "GET", b"")
    check(answers["post"], "POST", b"hello")
    check(answers["chunked"], "PUT", b"piece", chunked=True)
    check(answers["expecting"], "POST", b"hello")
    assert answers["large"] == len(LARGE)
    assert answers["reused"]
    assert answers["continued"]


def test_a_browser_sends_the_key_of_the_page_with_the_requests_of_its_script(
    gateway: Gateway,
) -> None:
    """It opens a page whose URL has the key; the script posts to a URL without it."""
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=10000")
    profile = f"--user-data-dir={gateway.folder / 'profile'}"
    url = f"{gateway.url_with_key}/page"
    document = gateway.run(program("chromium"), *options, profile, "--dump-dom", url)
    assert '<p id="said">POST from a page</p>' in document


def test_wrk_gets_no_error(gateway: Gateway) -> None:
    """With eight connections, for a second."""
    report = gateway.run(
        program("wrk"), "-t1", "-c8", "-d1s", "--timeout", f"{PATIENCE}s",
        "-H", f"Authorization: {gateway.credentials.authorization}", f"{gateway.url}/echo",
    )  # fmt: skip
    assert "requests in" in report
    assert "Non-2xx" not in report
    assert "Socket errors" not in report


def test_h2load_gets_no_error_for_pipelines(gateway: Gateway) -> None:
    """In its HTTP/1.1 mode, with pipelines of four requests."""
    report = gateway.run(
        program("h2load"), "--h1", "-n400", "-c4", "-m4",
        "-H", f"Authorization: {gateway.credentials.authorization}", f"{gateway.url}/echo",
    )  # fmt: skip
    assert "400 succeeded, 0 failed, 0 errored" in report
    assert "400 2xx" in report


@pytest.mark.parametrize("buffer", ["70000", "10000000"], ids=["chunked", "at-once"])
def test_git_clones_and_pushes(gateway: Gateway, buffer: str) -> None:
    """It pushes with a length, and in chunks where a pack is larger than its buffer."""
    settings = ("user.name=n", "user.email=e", "init.defaultBranch=main")
    git = [program("git")]
    for setting in (*settings, f"http.postBuffer={buffer}"):
        git += ["-c", setting]
    bare, work, copy = (gateway.folder / f"{name}-{buffer}" for name in ("bare", "work", "copy"))
    gateway.run(*git, "init", "-q", "--bare", bare)
    gateway.run(*git, "-C", bare, "config", "http.receivepack", "true")
    url = f"{gateway.url_with_key}/git/{bare.name}"
    gateway.run(*git, "clone", "-q", url, work)
    (work / "file").write_bytes(os.urandom(100_000))
    gateway.run(*git, "-C", work, "add", "file")
    gateway.run(*git, "-C", work, "commit", "-qm", "one")
    gateway.run(*git, "-C", work, "push", "-q", "origin", "HEAD:main")
    gateway.run(*git, "clone", "-q", url, copy)
    assert (copy / "file").read_bytes() == (work / "file").read_bytes()
