"""Floods of connections and heads: each source has its share, and whoever is let in is served."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.load.crowd import attribute, connect, crowd, exchange, handles, is_closed, until
from tests.programs import free_port, running
from tests.test_end_to_end import Installation

IDLE = 10_000
PATIENT = "head_timeout: 60, keepalive_timeout: 600"
"""For as long as a test may take that counts who is connected."""
STRANGER = b"GET /ping HTTP/1.1\r\nHost: h\r\nUser-Agent: somebody\r\nAccept: */*\r\n\r\n"


@dataclass(frozen=True)
class Served:
    """A gateway in a process of its own."""

    port: int
    pid: int
    question: bytes
    """What it answers with 200."""


@contextmanager
def serving(folder: Path, limits: str) -> Iterator[Served]:
    """A gateway with these limits, in front of the sample API."""
    upstream = free_port()
    here = Installation(folder, upstream)
    config = folder / "wardgate.yaml"
    config.write_text(f"{config.read_text()}limits: {{{limits}}}\n")
    (origin := folder / "origin").mkdir()
    sample = [
        sys.executable,
        "-m",
        "proxy.quickstart.sample_api",
        "--listen",
        f"127.0.0.1:{upstream}",
    ]
    with (
        running(sample, upstream, origin),
        running(here.command, here.api, folder) as process,
    ):
        question = b"GET /ping HTTP/1.1\r\nHost: h\r\n" + here.basic + b"\r\n"
        yield Served(here.gateway, process.pid, question)
    assert "Traceback" not in (folder / "err").read_text()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """With the limits that are configured by default, but for time."""
    with serving(tmp_path_factory.mktemp("floods"), PATIENT) as here:
        yield here


def resident(served: Served) -> int:
    """Its memory, in bytes."""
    return attribute(served.pid, "VmRSS") * 1024


def test_thousands_of_idle_connections(served: Served) -> None:
    """Each has asked something and keeps its connection: others are answered, in little memory."""
    at_rest = handles(served.pid)
    with connect(served.port, "127.0.0.99") as other, ExitStack() as held:
        assert exchange(other, served.question) == 200
        before = resident(served)
        for number in range(IDLE):
            client = held.enter_context(connect(served.port, f"127.0.1.{1 + number // 1000}"))
            assert exchange(client, STRANGER) == 401
            if number % 500 == 0:
                assert exchange(other, served.question) == 200
        assert handles(served.pid) >= at_rest + IDLE
        assert (resident(served) - before) / IDLE < 10_000
        assert exchange(other, served.question) == 200
        with connect(served.port, "127.0.0.98") as newcomer:
            assert exchange(newcomer, served.question) == 200
    until(lambda: handles(served.pid) <= at_rest + 1)


def test_floods_of_fields(served: Served) -> None:
    """Lines without end, fields without end and names without end are refused while they are
    small, and none of it stays."""
    floods = {
        b"GET /" + b"x" * 9_000: 414,
        b"GET /ping HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 9_000: 431,
        b"GET /ping HTTP/1.1\r\nHost: h\r\n" + b"X: x\r\n" * 101: 431,
        b"GET /ping HTTP/1.1\r\nHost: h\r\n" + (b"X: %b\r\n" % (b"x" * 8_000)) * 9: 431,
    }
    with connect(served.port, "127.0.0.99") as other, ExitStack() as held:
        assert exchange(other, served.question) == 200
        before = resident(served)
        for flood, expected in floods.items():
            for client in held.enter_context(crowd(served.port, 100)):
                assert exchange(client, flood) == expected
            assert exchange(other, served.question) == 200
        assert resident(served) - before < 100 * 100_000


def test_heads_that_stop_below_every_limit(served: Served) -> None:
    """A crowd that sends all that it may and then waits takes up no more than what it sent."""
    almost = b"GET /ping HTTP/1.1\r\nHost: h\r\n" + (b"X: %b\r\n" % (b"x" * 8_000)) * 7
    with connect(served.port, "127.0.0.99") as other, crowd(served.port, 300) as clients:
        assert exchange(other, served.question) == 200
        before = resident(served)
        for client in clients:
            client.sendall(almost)
        assert exchange(other, served.question) == 200
        assert resident(served) - before < 300 * 2 * len(almost)
        assert exchange(clients[0], b"\r\n") == 401


def test_each_source_has_its_share_and_all_of_them_together_theirs(tmp_path: Path) -> None:
    """Beyond, connections are closed; whoever is in is served, and there is room again later."""
    with (
        serving(tmp_path, f"connections: 100, connections_per_source: 30, {PATIENT}") as served,
        connect(served.port, "127.0.0.99") as other,
    ):
        assert exchange(other, served.question) == 200
        with ExitStack() as held:
            crowds = [
                held.enter_context(crowd(served.port, 60, f"127.0.0.{number}"))
                for number in range(2, 5)
            ]
            for clients in crowds:
                until(lambda: sum(map(is_closed, clients)) == 30)  # noqa: B023  (called at once)
            late = held.enter_context(crowd(served.port, 60, "127.0.0.5"))
            until(lambda: sum(map(is_closed, late)) == 51)
            assert exchange(other, served.question) == 200
            with connect(served.port, "127.0.0.6") as refused:
                until(lambda: is_closed(refused))
            for client in crowds[0]:
                client.close()
            until(lambda: answered(served, "127.0.0.6"))
            assert answered(served, "127.0.0.6")


def answered(served: Served, source: str) -> bool:
    """Whether the gateway lets one in from there, and answers it."""
    with connect(served.port, source) as client:
        try:
            return exchange(client, served.question) == 200
        except ConnectionError:
            return False
