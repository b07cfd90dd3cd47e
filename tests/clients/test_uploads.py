"""Common clients that upload see that they are refused, and keep their connection if that is short.

No client here has a key, so each upload gets 401 as soon as its head has come.
"""

from __future__ import annotations

import http.client
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.clients.origin import BASE
from tests.installation import Installation
from tests.programs import program

HERE = Path(__file__).parent
SHORT, LONG = 20_000, 20_000_000


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A gateway."""
    installation = Installation(tmp_path_factory.mktemp("uploads"))
    with installation.serving():
        yield installation


@pytest.fixture
def url(here: Installation) -> str:
    """Where clients upload."""
    return f"http://127.0.0.1:{here.gateway}{BASE}/echo"


def printed(here: Installation, *command: str | Path) -> list[str]:
    """The words that a program prints."""
    environ = os.environ | {"HOME": str(here.folder), "GO111MODULE": "off"}
    done = subprocess.run(
        command,
        capture_output=True,
        check=False,
        timeout=250,  # Go compiles its library first
        cwd=here.folder,
        env=environ | {"GOCACHE": str(here.folder / "cache")},
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().split()


@pytest.mark.parametrize("size", [SHORT, LONG])
@pytest.mark.parametrize(
    "how",
    [
        ("-T", "file"),
        ("-T", "file", "--limit-rate", "5M"),
        ("-T", "-", "-H", "Transfer-Encoding: chunked"),
        ("--data-binary", "@file", "-H", "Expect:"),
        ("--data-binary", "@file", "-H", "Expect: 100-continue"),
    ],
    ids=["put", "slowly", "chunked", "post", "expecting"],
)
def test_curl(here: Installation, url: str, size: int, how: tuple[str, ...]) -> None:
    """Whether it sends with a length or in chunks, slowly, or waits for 100."""
    (here.folder / "file").write_bytes(bytes(size))
    command = [program("curl"), "-sS", "-o", os.devnull, "-w", "%{http_code}", *how, url]
    with (here.folder / "file").open("rb") as file:
        done = subprocess.run(
            command, stdin=file, capture_output=True, check=True, cwd=here.folder, timeout=60
        )
    assert done.stdout == b"401"


@pytest.mark.parametrize(("name", "script"), [("node", "upload.js"), ("java", "Upload.java")])
@pytest.mark.parametrize("size", [SHORT, LONG])
def test_node_and_java(here: Installation, url: str, name: str, script: str, size: int) -> None:
    """Node's http module shows its connections: a short upload keeps the first one."""
    words = printed(here, program(name), HERE / script, url, str(size))
    assert words[:2] == ["401", "401"]
    assert words[2:] == ([] if name == "java" else ["1" if size == SHORT else "2"])


@pytest.mark.parametrize("size", [SHORT, LONG])
def test_go(here: Installation, url: str, size: int) -> None:
    """net/http reads the answer while it sends."""
    words = printed(here, program("go"), "run", HERE / "upload.go", url, str(size))
    assert words == ["401", "401", "1" if size == SHORT else "2"]


def test_requests(url: str) -> None:
    """It sends everything before it reads."""
    with requests.Session() as session:
        session.trust_env = False
        for size in (SHORT, SHORT, LONG, SHORT):
            assert session.post(url, data=bytes(size)).status_code == 401
        assert session.post(url, data=iter([bytes(SHORT)] * 2)).status_code == 401


def test_a_client_that_sends_for_seconds_reads_its_answer_then(here: Installation) -> None:
    """http.client reads nothing before it has sent everything."""

    def slowly() -> Iterator[bytes]:
        for _ in range(8):
            yield bytes(LONG // 80)
            time.sleep(0.5)

    connection = http.client.HTTPConnection("127.0.0.1", here.gateway)
    connection.request("PUT", f"{BASE}/echo", slowly(), {"Content-Length": str(LONG // 10)})
    assert connection.getresponse().status == 401
    connection.close()
