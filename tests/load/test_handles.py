"""File handles run out: nothing spins, accepted clients are served, and the gateway recovers."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from tests.installation import Installation
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
from tests.programs import free_port, program, running, sample_api

FEW = 256
WATCHED = 1.0
"""Seconds for which the CPU time of a process is watched. One that spins uses most of them."""


@dataclass(frozen=True)
class Served:
    """A gateway and its admin server, in a process with few file handles."""

    here: Installation
    upstream: int
    pid: int
    at_rest: int
    """The number of its open files while no client is connected."""

    def ask(self) -> int:
        """The status of a request of another source. It takes a connection to the upstream."""
        return self.here.ask("/ping", self.here.admin, "--interface", "127.0.0.99")

    @property
    def question(self) -> bytes:
        """The same request, to be sent on a connection that is open."""
        return b"GET /ping HTTP/1.1\r\nHost: h\r\n" + self.here.admin.basic + b"\r\n"

    def rests(self) -> bool:
        """Whether the process uses next to no CPU time for `WATCHED` seconds."""
        before = cpu(self.pid)
        time.sleep(WATCHED)
        return cpu(self.pid) - before < WATCHED / 5


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A gateway with the default limits. Each test leaves it as it was."""
    program("curl")
    upstream = free_port()
    here = Installation(folder := tmp_path_factory.mktemp("few"), upstream)
    (origin := folder / "origin").mkdir()
    here.command = ["/bin/sh", "-c", f'ulimit -n {FEW}; exec "$@"', "sh", *here.command]
    with running(sample_api(upstream), upstream, origin), here.serving() as process:
        assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE) == (FEW, FEW)
        yield Served(here, upstream, process.pid, handles(process.pid))


@contextmanager
def connected(served: Served) -> Iterator[socket.socket]:
    """A client of another source that has sent a request, and so has time until the next one."""
    with connect(served.here.gateway, "127.0.0.99") as client:
        assert exchange(client, b"GET /ping HTTP/1.1\r\nHost: h\r\n\r\n") == 401
        yield client


def test_a_request_gets_502_where_no_handle_is_left_for_the_upstream(served: Served) -> None:
    """The next request is served as soon as there is a handle again."""
    with connected(served) as client:
        until(lambda: not has_connections_to(served.upstream))  # none is kept
        resource.prlimit(served.pid, resource.RLIMIT_NOFILE, (next_handle(served.pid), FEW))
        assert exchange(client, served.question) == 502
        resource.prlimit(served.pid, resource.RLIMIT_NOFILE, (FEW, FEW))
        assert exchange(client, served.question) == 200
    assert "Traceback" not in (served.here.folder / "err").read_text()


def test_clients_do_not_take_the_last_handle(served: Served) -> None:
    """Not those of the gateway, nor those of the admin server, nor both together: accepted clients
    are served, for which the gateway needs handles to the upstream. It closes new connections, the
    admin server those that were silent for longest, and neither spins. Each source has a share, so
    a client of another source is accepted."""
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
    assert served.here.call("/apikeys")["type"] == "collection"
    printed = (served.here.folder / "err").read_text()
    assert f"{FEW} file handles are enough for " in printed
    assert "Traceback" not in printed


def test_clients_are_closed_while_there_is_no_handle_and_served_again_after(served: Served) -> None:
    """Whatever has taken the last handle. The process does not spin meanwhile."""
    resource.prlimit(served.pid, resource.RLIMIT_NOFILE, (next_handle(served.pid), FEW))
    with ExitStack() as held:
        for port in (served.here.gateway, served.here.api):
            clients = [held.enter_context(connect(port)) for _ in range(100)]
            until(lambda: sum(map(is_closed, clients)) >= 99)  # noqa: B023  (called at once)
        until(served.rests)
    resource.prlimit(served.pid, resource.RLIMIT_NOFILE, (FEW, FEW))
    until(lambda: handles(served.pid) <= served.at_rest)
    assert served.ask() == 200
    assert served.here.call("/apikeys")["type"] == "collection"
