"""File handles run out in one of several processes: the others go on, none ends, and all is well
again once there are handles."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.load.crowd import connect, is_closed
from tests.test_workers import WORKERS, Clients, Site, eventually, site_of


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Workers that serve. Each test leaves them as they were."""
    with site_of(tmp_path_factory.mktemp("few")) as made:
        yield made


@contextmanager
def few_handles(*pids: int) -> Iterator[None]:
    """These processes can open next to nothing while the context lasts: only in place of what they
    have closed before."""
    usual = resource.prlimit(pids[0], resource.RLIMIT_NOFILE)
    for pid in pids:
        taken = max(map(int, os.listdir(f"/proc/{pid}/fd")))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (taken + 1, usual[1]))
    try:
        yield
    finally:
        for pid in pids:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, usual)


def test_without_handles_in_workers_the_admin_server_goes_on(site: Site) -> None:
    """A key that is deactivated meanwhile is refused from the next request on; those who connect
    have to come again."""
    number, key = site.made.new_key()
    other = site.made.new_key("other")[1]
    before = sorted(site.children)
    assert site.made.ask(Clients.PATH, key) == 200
    with few_handles(*site.workers), ExitStack() as held:
        clients = [held.enter_context(connect(site.made.gateway)) for _ in range(50)]
        eventually(lambda: sum(map(is_closed, clients)) > len(clients) / 2)
        site.made.call(f"/apikeys/{number}?action=deactivate", "-X", "POST")
        assert site.made.call(f"/apikeys/{number}")["state"] == "inactive"
    eventually(answers(lambda: site.made.ask(Clients.PATH, key), 401))
    eventually(answers(lambda: site.made.ask("/v1/projects/other/hosts", other), 200))
    assert sorted(site.children) == before
    assert "Traceback" not in site.err()


def test_without_handles_in_the_keeper_workers_go_on(site: Site) -> None:
    """Also with a key that none of them knows. A worker that starts meanwhile serves once the
    keeper can talk to it."""
    _, key = site.made.new_key("third")
    path, keeper = "/v1/projects/third/hosts", site.keeper
    with few_handles(keeper):
        visitors = [connect(site.made.api) for _ in range(50)]
        eventually(lambda: sum(map(is_closed, visitors)) > len(visitors) / 2)
        assert {site.made.ask(path, key) for _ in range(6)} == {200}
        os.kill(site.workers[0], signal.SIGKILL)
        eventually(lambda: "started again" in site.err())
        for each in visitors:
            each.close()
    eventually(lambda: len(site.children) == 1 + WORKERS)
    eventually(answers(lambda: site.made.ask(path, key), 200))
    assert site.keeper == keeper
    assert site.made.call("/apikeys")["type"] == "collection"
    assert "Traceback" not in site.err()


def answers(ask: Callable[[], int], status: int) -> Callable[[], bool]:
    """Whether six requests in a row, which reach each of the workers, get this answer."""
    return lambda: {ask() for _ in range(6)} == {status}
