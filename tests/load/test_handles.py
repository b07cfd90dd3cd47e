"""File handles run out: nothing spins, who is there is served, and all is well again after."""

from __future__ import annotations

import resource
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from tests.load.crowd import (
    connect,
    cpu,
    crowd,
    exchange,
    handles,
    has_connections_to,
    is_closed,
    next_handle,
    until,
)
from tests.programs import free_port, program, running
from tests.test_end_to_end import Installation

FEW = 256
WATCHED = 1.0
"""Seconds of which a process that spins would use most."""


@dataclass(frozen=True)
class Served:
    """A gateway and its admin server, in a process with few file handles."""

    here: Installation
    upstream: int
    pid: int
    at_rest: int
    """Files that it has open while nobody is connected."""

    def ask(self) -> int:
        """The status of a request that takes a connection to the upstream, from elsewhere."""
        return self.here.ask("/ping", self.here.admin, "--interface", "127.0.0.99")

    @property
    def question(self) -> bytes:
        """The same, to be sent on a connection that is open."""
        return b"GET /ping HTTP/1.1\r\nHost: h\r\n" + self.here.basic + b"\r\n"

    def rests(self) -> bool:
        """Whether the process uses next to no CPU time, over a while."""
        before = cpu(self.pid)
        time.sleep(WATCHED)
        return cpu(self.pid) - before < WATCHED / 5


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """With the limits that are configured by default. Each test leaves it as it was."""
    program("curl")
    upstream = free_port()
    here = Installation(folder := tmp_path_factory.mktemp("few"), upstream)
    (origin := folder / "origin").mkdir()
    sample = [
        sys.executable,
        "-m",
        "proxy.quickstart.sample_api",
        "--listen",
        f"127.0.0.1:{upstream}",
    ]
    few = ["/bin/sh", "-c", f'ulimit -n {FEW}; exec "$@"', "sh", *here.command]
    with (
        running(sample, upstream, origin),
        running(few, here.api, folder) as process,
    ):
        assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE) == (FEW, FEW)
        yield Served(here, upstream, process.pid, handles(process.pid))


@contextmanager
def connected(served: Served) -> Iterator[socket.socket]:
    """Somebody from elsewhere, who has asked once, and so has time until he asks again."""
    with connect(served.here.gateway, "127.0.0.99") as client:
        assert exchange(client, b"GET /ping HTTP/1.1\r\nHost: h\r\n\r\n") == 401
        yield client


def test_no_handle_is_left_to_the_upstream(served: Served) -> None:
    """The client is told so, and the next one is served as soon as there is one."""
    with connected(served) as client:
        until(lambda: not has_connections_to(served.upstream))  # none is kept
        resource.prlimit(served.pid, resource.RLIMIT_NOFILE, (next_handle(served.pid), FEW))
        assert exchange(client, served.question) == 502
        resource.prlimit(served.pid, resource.RLIMIT_NOFILE, (FEW, FEW))
        assert exchange(client, served.question) == 200
    assert "Traceback" not in (served.here.folder / "err").read_text()


def test_clients_do_not_take_the_last_handle(served: Served) -> None:
    """Neither the gateway's nor the admin server's, nor all of them together: those that were let
    in are served, which takes handles to the upstream; the others are closed, and none of it spins.
    The gateway closes who comes too late, the admin server who was silent for longest. A source has
    its part of what there is: who comes from elsewhere gets in."""
    with (
        connected(served) as client,
        crowd(served.here.gateway, 300) as clients,
        crowd(served.here.api, 300) as visitors,
    ):
        until(lambda: all(map(is_closed, clients[150:])) and all(map(is_closed, visitors[:150])))
        assert handles(served.pid) < FEW
        until(served.rests)
        for _ in range(3):
            assert exchange(client, served.question) == 200
        assert served.ask() == 200
    until(lambda: handles(served.pid) <= served.at_rest + 1)  # one is kept to the upstream
    assert served.ask() == 200
    assert served.here.apply("/apikeys")["type"] == "collection"
    told = (served.here.folder / "err").read_text()
    assert f"{FEW} file handles are enough for " in told
    assert "Traceback" not in told


def test_the_last_handle_is_gone(served: Served) -> None:
    """However that came about: clients are closed, without spinning, and served when it is over."""
    resource.prlimit(served.pid, resource.RLIMIT_NOFILE, (next_handle(served.pid), FEW))
    with ExitStack() as held:
        for port in (served.here.gateway, served.here.api):
            clients = [held.enter_context(connect(port)) for _ in range(100)]
            until(lambda: sum(map(is_closed, clients)) >= 99)  # noqa: B023  (called at once)
        until(served.rests)
    resource.prlimit(served.pid, resource.RLIMIT_NOFILE, (FEW, FEW))
    until(lambda: handles(served.pid) <= served.at_rest)
    assert served.ask() == 200
    assert served.here.apply("/apikeys")["type"] == "collection"
