"""Floods of connections and heads: each source has its share, and accepted clients are served."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.installation import Installation
from tests.load.crowd import attribute, connect, crowd, exchange, handles, is_closed, until
from tests.programs import free_port, running, sample_api

IDLE = 10_000
PATIENT = {"head_timeout": 60, "keepalive_timeout": 600}
"""Limits that end no connection while a test counts connections."""
STRANGER = b"GET /ping HTTP/1.1\r\nHost: h\r\nUser-Agent: somebody\r\nAccept: */*\r\n\r\n"


@dataclass(frozen=True)
class Served:
    """A gateway in a process of its own."""

    port: int
    pid: int
    question: bytes
    """A request that it answers with 200."""


@contextmanager
def serving(folder: Path, **limits: int) -> Iterator[Served]:
    """A gateway with these limits, in front of the sample API."""
    upstream = free_port()
    here = Installation(folder, upstream, limits=limits)
    (origin := folder / "origin").mkdir()
    with running(sample_api(upstream), upstream, origin), here.serving() as process:
        question = b"GET /ping HTTP/1.1\r\nHost: h\r\n" + here.admin.basic + b"\r\n"
        yield Served(here.gateway, process.pid, question)
    assert "Traceback" not in (folder / "err").read_text()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A gateway with the default limits, but for time."""
    with serving(tmp_path_factory.mktemp("floods"), **PATIENT) as here:
        yield here


def resident(served: Served) -> int:
    """The resident memory of the gateway, in bytes."""
    return attribute(served.pid, "VmRSS") * 1024


def test_thousands_of_idle_connections_take_little_memory_and_delay_no_client(
    served: Served,
) -> None:
    """Each client has sent a request and keeps its connection; other clients are served."""
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


def test_endless_lines_and_fields_are_refused_while_they_are_small(served: Served) -> None:
    """None of their memory is kept."""
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


def test_heads_that_stop_below_every_limit_take_no_more_memory_than_was_sent(
    served: Served,
) -> None:
    """A crowd sends all that it may of a head, and then waits."""
    almost = b"GET /ping HTTP/1.1\r\nHost: h\r\n" + (b"X: %b\r\n" % (b"x" * 8_000)) * 7
    with connect(served.port, "127.0.0.99") as other, crowd(served.port, 300) as clients:
        assert exchange(other, served.question) == 200
        before = resident(served)
        for client in clients:
            client.sendall(almost)
        assert exchange(other, served.question) == 200
        assert resident(served) - before < 300 * 2 * len(almost)
        assert exchange(clients[0], b"\r\n") == 401


def test_each_source_has_its_share_of_the_connections_and_there_is_a_total(tmp_path: Path) -> None:
    """Connections beyond either are closed; accepted clients are served, and there is room again
    once some of them have gone."""
    with (
        serving(tmp_path, connections=100, connections_per_source=30, **PATIENT) as served,
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
    """Whether the gateway accepts a connection from a source, and serves it."""
    with connect(served.port, source) as client:
        try:
            return exchange(client, served.question) == 200
        except ConnectionError:
            return False
