"""Clients that behave do not suffer: each makes its rounds through the gateway, as its users
would."""

from __future__ import annotations

import base64
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
from tests.patience import PATIENCE
from tests.programs import free_port, module, program, running
from tests.test_end_to_end import Installation

HERE = Path(__file__).parent
SUM = hashlib.sha256(LARGE).hexdigest()


@dataclass(frozen=True)
class Place:
    """Where the clients go, and with which key."""

    folder: Path
    port: int
    user: str
    secret: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{BASE}"

    @property
    def basic(self) -> str:
        return "Basic " + base64.b64encode(f"{self.user}:{self.secret}".encode()).decode()

    @property
    def url_with_key(self) -> str:
        return self.url.replace("://", f"://{self.user}:{self.secret}@")

    def run(self, *command: str | Path, data: bytes | None = None, **environ: str) -> str:
        """What a program prints, at home in a folder of its own."""
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
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A gateway with a key of the environment `demo`, in front of the origin."""
    folder, port = tmp_path_factory.mktemp("clients"), free_port()
    home = folder / "home"
    home.mkdir(0o700)
    here = Installation(home, port)
    origin = module("tests.clients.origin", str(port), str(folder))
    # The admin server is the last to listen.
    with running(origin, port, folder), running(here.command, here.api, home):
        here.apply("/projects", "-d", '{"slug": "demo", "name": "d"}')
        project = here.apply("/projects?slug=demo")["data"][0]
        key = here.apply(f"/projects/{project['id']}/apikeys", "-d", "{}")
        yield Place(folder, here.gateway, key["publicValue"], key["secretValue"])


def check(said: dict[str, Any], method: str, body: bytes, *, chunked: bool = False) -> None:
    """The origin saw this."""
    assert said["method"] == method
    assert said["hash"] == hashlib.sha256(body).hexdigest()
    assert said["chunked"] == chunked
    assert said["environment"] == "demo"


def test_curl(place: Place) -> None:
    """Also the 100 that it waits for before a large upload."""
    curl = [program("curl"), "-sS", "--fail", "-u", f"{place.user}:{place.secret}"]
    check(json.loads(place.run(*curl, f"{place.url}/echo")), "GET", b"")
    check(json.loads(place.run(*curl, "-d", "hello", f"{place.url}/echo")), "POST", b"hello")
    twice = [f"{place.url}/echo", "-o", os.devnull] * 2
    assert place.run(*curl, "-w", "%{num_connects}", *twice) == "10"
    chunked = ("-T", "-", "-H", "Transfer-Encoding: chunked")
    said = place.run(*curl, *chunked, f"{place.url}/echo", data=LARGE)
    check(json.loads(said), "PUT", LARGE, chunked=True)
    place.run(*curl, "-o", "large", f"{place.url}/large")
    assert hashlib.sha256((place.folder / "large").read_bytes()).hexdigest() == SUM
    expect = ("-H", "Expect: 100-continue", "--expect100-timeout", str(PATIENCE))
    said = place.run(*curl, *expect, "-T", "large", "-i", f"{place.url}/echo")
    assert said.startswith("HTTP/1.1 100 Continue")
    check(json.loads(said.rpartition("\r\n\r\n")[2]), "PUT", LARGE)


def test_requests(place: Place) -> None:
    """A session keeps its connection."""
    with requests.Session() as session:
        session.auth = (place.user, place.secret)
        session.trust_env = False
        check(session.get(f"{place.url}/echo").json(), "GET", b"")
        check(session.post(f"{place.url}/echo", data=b"hello").json(), "POST", b"hello")
        pieces = iter([b"piece ", b"by piece"])
        said = session.put(f"{place.url}/echo", data=pieces).json()
        check(said, "PUT", b"piece by piece", chunked=True)
        assert session.get(f"{place.url}/large").content == LARGE
        pools = session.adapters["http://"].poolmanager.pools  # type: ignore[attr-defined]
        assert [pools[key].num_connections for key in list(pools.keys())] == [1]


def test_httpx(place: Place) -> None:
    """Synchronous; what it does with an event loop is the same."""
    auth = (place.user, place.secret)
    limits = httpx.Limits(max_connections=1)
    with httpx.Client(
        base_url=place.url, auth=auth, limits=limits, trust_env=False, timeout=PATIENCE
    ) as client:
        check(client.get("/echo").json(), "GET", b"")
        check(client.post("/echo", content=b"hello").json(), "POST", b"hello")
        pieces = iter([b"piece ", b"by piece"])
        check(client.put("/echo", content=pieces).json(), "PUT", b"piece by piece", chunked=True)
        with client.stream("GET", "/large") as answer:
            assert b"".join(answer.iter_bytes()) == LARGE


async def test_aiohttp(place: Place) -> None:
    """With a hundred requests on few connections, and a WebSocket."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b"piece "
        yield b"by piece"

    headers, connector = {"Authorization": place.basic}, aiohttp.TCPConnector(limit=2)
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
        for _ in range(50):
            async with session.get(f"{place.url}/echo") as answer:
                check(await answer.json(), "GET", b"")
        async with session.post(f"{place.url}/echo", data=b"hello", expect100=True) as answer:
            check(await answer.json(), "POST", b"hello")
        async with session.put(f"{place.url}/echo", data=pieces()) as answer:
            check(await answer.json(), "PUT", b"piece by piece", chunked=True)
        async with session.get(f"{place.url}/large") as answer:
            assert await answer.read() == LARGE
        async with session.ws_connect(f"{place.url}/socket") as talk:
            await talk.send_str("hello")
            assert await talk.receive_str() == "HELLO"


def test_websockets(place: Place) -> None:
    """Messages both ways, and an end that both sides agree on."""
    url = place.url.replace("http:", "ws:") + "/socket"
    with connect(
        url,
        additional_headers={"Authorization": place.basic},
        proxy=None,
        open_timeout=PATIENCE,
        ping_timeout=PATIENCE,
        close_timeout=PATIENCE,
    ) as talk:
        for word in ("hello", "x" * 200_000):
            talk.send(word)
            assert talk.recv(timeout=PATIENCE) == word.upper()
    assert talk.close_code == 1000


def test_node(place: Place) -> None:
    """fetch, and the http module for Expect."""
    script, pair = HERE / "client.js", f"{place.user}:{place.secret}"
    said = json.loads(place.run(program("node"), script, place.url, pair))
    check(said["get"], "GET", b"")
    check(said["post"], "POST", b"hello")
    check(said["chunked"], "PUT", b"piece by piece", chunked=True)
    check(said["expecting"], "POST", b"hello")
    assert said["expecting"]["continued"]
    assert said["large"] == len(LARGE)


def test_go(place: Place) -> None:
    """net/http, which keeps its connection and waits for 100."""
    go, cache = program("go"), str(place.folder / "cache")
    command = (go, "run", HERE / "client.go", place.url, place.user, place.secret)
    said = json.loads(place.run(*command, GOCACHE=cache, GO111MODULE="off"))
    check(said["get"], "GET", b"")
    check(said["post"], "POST", b"hello")
    check(said["chunked"], "PUT", b"piece", chunked=True)
    check(said["expecting"], "POST", b"hello")
    assert said["large"] == len(LARGE)
    assert said["reused"]
    assert said["continued"]


def test_a_browser(place: Place) -> None:
    """It opens a page with the key in its URL, and the page's script posts with that key."""
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=10000")
    profile = f"--user-data-dir={place.folder / 'profile'}"
    url = f"{place.url_with_key}/page"
    said = place.run(program("chromium"), *options, profile, "--dump-dom", url)
    assert '<p id="said">POST from a page</p>' in said


def test_wrk(place: Place) -> None:
    """A second of it, without one error."""
    said = place.run(
        program("wrk"), "-t1", "-c8", "-d1s", "--timeout", f"{PATIENCE}s",
        "-H", f"Authorization: {place.basic}", f"{place.url}/echo",
    )  # fmt: skip
    assert "requests in" in said
    assert "Non-2xx" not in said
    assert "Socket errors" not in said


def test_h2load(place: Place) -> None:
    """In its HTTP/1.1 mode, with pipelines of four."""
    said = place.run(
        program("h2load"), "--h1", "-n400", "-c4", "-m4", "-H", f"Authorization: {place.basic}",
        f"{place.url}/echo",
    )  # fmt: skip
    assert "400 succeeded, 0 failed, 0 errored" in said
    assert "400 2xx" in said


@pytest.mark.parametrize("buffer", ["70000", "10000000"], ids=["chunked", "at-once"])
def test_git(place: Place, buffer: str) -> None:
    """Cloned, and pushed to: with a length, and in chunks where a pack is large."""
    git = [
        program("git"),
        "-c",
        "user.name=n",
        "-c",
        "user.email=e",
        "-c",
        "init.defaultBranch=main",
    ]
    git += ["-c", f"http.postBuffer={buffer}"]
    bare, work, copy = (place.folder / f"{name}-{buffer}" for name in ("bare", "work", "copy"))
    place.run(*git, "init", "-q", "--bare", bare)
    place.run(*git, "-C", bare, "config", "http.receivepack", "true")
    url = f"{place.url_with_key}/git/{bare.name}"
    place.run(*git, "clone", "-q", url, work)
    (work / "file").write_bytes(os.urandom(100_000))
    place.run(*git, "-C", work, "add", "file")
    place.run(*git, "-C", work, "commit", "-qm", "one")
    place.run(*git, "-C", work, "push", "-q", "origin", "HEAD:main")
    place.run(*git, "clone", "-q", url, copy)
    assert (copy / "file").read_bytes() == (work / "file").read_bytes()
