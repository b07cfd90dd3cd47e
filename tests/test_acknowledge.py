"""Acknowledged revocation: whoever is told that a change holds on all nodes can rely on it. Two
nodes run as processes over one PostgreSQL server."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.acknowledge import revoke
from tests.patience import PATIENCE
from tests.programs import WARDGATE
from tests.support.postgres import server
from tests.test_several_nodes import Site

TIMES = 200


@pytest.fixture
def workers() -> int:
    """How many workers each node has; tests override it."""
    return 1


@pytest.fixture
def site(tmp_path: Path, workers: int) -> Iterator[Site]:
    """Two nodes that serve."""
    with server() as postgres, ExitStack() as open_:
        yield Site(tmp_path, postgres, open_, workers=workers)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_next_request_anywhere_goes_by_a_revocation_that_was_waited_for(site: Site) -> None:
    """Every time, on both nodes, while both are busy. `make acknowledge` does it 10,000 times."""
    result = revoke(site, TIMES)
    assert result.violations == []
    assert len(result.waits) + result.unavailable == TIMES
    assert len(result.waits) > TIMES / 2


class Commands:
    """`wardgate` as the admin of a site runs it, at one of its nodes."""

    def __init__(self, site: Site, node: str) -> None:
        admin = site.a.admin
        self._environment = os.environ | {
            "WARDGATE_URL": f"http://127.0.0.1:{site.ports[node][1]}",
            "WARDGATE_ACCESS_KEY": admin.access_key,
            "WARDGATE_SECRET_KEY": admin.secret,
        }

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """The exit status, the output and the messages of a command."""
        done = subprocess.run(
            [*WARDGATE, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
            env=self._environment,
        )
        return done.returncode, done.stdout, done.stderr

    def nodes(self) -> dict[str, dict[str, Any]]:
        """What `nodes list` tells."""
        _, out, _ = self("nodes", "list", "--output", "json")
        return {each["id"]: each for each in json.loads(out)}


def test_a_node_that_died_is_waited_for_until_its_lease_is_over(site: Site) -> None:
    """`--wait` says who is missing, and until when; then the change holds."""
    number, key = site.on("a").new_key()
    run = Commands(site, "a")
    assert run("keys", "deactivate", number, "--yes", "--wait")[0] == 0
    assert site.ask("b", key) == 401
    assert {name: each["state"] for name, each in run.nodes().items()} == dict.fromkeys(
        "ab", "active"
    )
    site.kill("b")
    status, out, error = run("keys", "activate", number, "--wait=1s")
    assert (status, "active" in out) == (4, True)
    assert "the change is made, but it does not hold yet on 1 of 2 nodes: b may go by" in error
    assert run("keys", "deactivate", number, "--yes", "--wait")[0] == 0
    assert run.nodes()["b"]["state"] == "lapsed"
    status, out, _ = run("nodes", "forget", "b", "--yes")
    assert (status, "left" in out) == (0, True)
    site.processes["b"] = site.start("b")
    assert run.nodes()["b"]["state"] == "active"
    assert run("keys", "activate", number, "--wait")[0] == 0
    assert site.ask("b", key) == 200
    (entry,) = site.on("a").call("/auditlogs?eventType=node.forget")["data"]
    assert (entry["resourceId"], entry["before"]["state"]) == ("b", "lapsed")


def test_a_node_that_somebody_says_is_dead_is_waited_for_no_longer(site: Site) -> None:
    """But not before it has missed two beats."""
    number, _ = site.on("a").new_key()
    run = Commands(site, "a")
    status, _, error = run("nodes", "forget", "b", "--yes")
    assert status == 1
    assert "the node is alive: it was heard of" in error
    site.kill("b")
    assert run("keys", "deactivate", number, "--yes", "--wait=0")[0] == 4
    while run("nodes", "forget", "b", "--yes")[0] != 0:
        pass
    assert run("keys", "activate", number, "--wait")[0] == 0
