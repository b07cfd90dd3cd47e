"""Several nodes as their users run them: processes over one PostgreSQL server, of which each may be
killed at any moment."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.installation import CONFIG, Installation
from tests.programs import free_port, running, sample_api, wardgate
from tests.support.credentials import Credentials
from tests.support.postgres import Server, server
from tests.support.processes import tries


class Site:
    """Two nodes over a server that the test may stop, in front of the sample API."""

    def __init__(self, folder: Path, postgres: Server, open_: ExitStack, **settings: Any) -> None:
        """`settings` are those of both nodes."""
        self.postgres = postgres
        self.folder = folder
        self._open = open_
        upstream = free_port()
        open_.enter_context(running(sample_api(upstream), upstream, folder))
        settings = {"store": postgres.new_url(), "cluster": self.node("a")} | settings
        self.a = Installation(folder, upstream, **settings)
        self.ports = {"a": (self.a.gateway, self.a.api), "b": (free_port(), free_port())}
        config = json.loads((folder / CONFIG).read_text())
        gateway, api = self.ports["b"]
        config |= {"listen": f"127.0.0.1:{gateway}", "admin": {"listen": f"127.0.0.1:{api}"}}
        config |= {"cluster": self.node("b"), "access_log": "b.log"}
        (folder / "b.yaml").write_text(json.dumps(config))
        self.processes = {name: self.start(name) for name in "ab"}

    @staticmethod
    def node(name: str) -> dict[str, Any]:
        """The settings of a node."""
        return {"name": name, "lease": 5, "beat": 0.5, "run_directory": f"run-{name}"}

    def start(self, name: str) -> subprocess.Popen[str]:
        """Start a node, and wait until it serves."""
        file = CONFIG if name == "a" else "b.yaml"
        command = [*self.a.command[:-1], file]
        return self._open.enter_context(running(command, self.ports[name][1], self.folder))

    def kill(self, name: str) -> None:
        """End a node as the system does when memory is short."""
        self.processes[name].kill()
        self.processes[name].wait()

    def on(self, name: str) -> Installation:
        """What users do at one of the nodes."""
        self.a.gateway, self.a.api = self.ports[name]
        return self.a

    def ask(self, name: str, key: Credentials) -> int:
        """The status of a request at one of the nodes."""
        return self.on(name).ask("/v1/projects/demo/hosts", key)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Two nodes that serve."""
    with server() as postgres, ExitStack() as open_:
        yield Site(tmp_path, postgres, open_)


def eventually(ask: Callable[[], int], status: int, *, while_: int) -> None:
    """Ask until there is another answer than `while_`, which has to be `status`."""
    for _ in tries():
        answer = ask()
        if answer != while_:
            assert answer == status
            return
    pytest.fail(f"the answer is still {while_}")


def test_keys_work_on_all_nodes_and_their_revocation_does(site: Site) -> None:
    """A key is made on one node and deactivated on the other, again and again."""
    number, key = site.on("a").new_key()
    for maker, other in ("ab", "ba") * 2:
        assert site.ask(maker, key) == 200
        assert site.ask(other, key) == 200
        site.on(maker).call(f"/apikeys/{number}?action=deactivate", "-X", "POST")
        assert site.ask(maker, key) == 401
        eventually(lambda where=other: site.ask(where, key), 401, while_=200)  # type: ignore[misc]
        site.on(other).call(f"/apikeys/{number}?action=activate", "-X", "POST")
        assert site.ask(other, key) == 200
        eventually(lambda where=maker: site.ask(where, key), 200, while_=401)  # type: ignore[misc]


def test_a_node_that_was_killed_is_back_at_once(site: Site) -> None:
    """It need not wait for its own lease; the other one serves meanwhile."""
    _, key = site.on("a").new_key()
    site.kill("b")
    assert site.ask("a", key) == 200
    site.processes["b"] = site.start("b")
    assert site.ask("b", key) == 200
    twice = wardgate("serve", "-c", "b.yaml", cwd=site.folder)
    assert twice.returncode == 1
    assert "another process on this machine is the node b: set cluster.name" in twice.stderr


def test_what_was_acknowledged_survives_kills_of_the_store_and_of_a_node(site: Site) -> None:
    """Each key that the admin API has answered with works afterwards, on both nodes. Meanwhile
    changes get an error, and no key works for longer than the lease."""
    keys = [site.on("a").new_key()[1]]
    for round_ in range(3):
        environment = site.on("b").call("/projects?slug=demo")["data"][0]["id"]
        made = site.on("ab"[round_ % 2]).call(
            f"/projects/{environment}/apikeys", "-d", '{"name": "k"}'
        )
        keys.append(Credentials.of(made))
        site.postgres.stop(signal.SIGQUIT)
        refused = site.on("a").call(f"/projects/{environment}/apikeys", "-d", "{}")
        assert refused["code"] == "ServiceUnavailable"
        eventually(lambda: site.ask("a", keys[0]), 503, while_=200)
        site.kill("b")
        site.postgres.start()
        site.processes["b"] = site.start("b")
        eventually(lambda: site.ask("a", keys[0]), 200, while_=503)
        assert [site.ask(name, key) for name in "ab" for key in keys] == [200] * 2 * len(keys)
    checked = site.on("a").call("/auditlogs?sort=sequence&order=asc&limit=1000")["data"]
    assert [int(each["id"]) for each in checked] == list(range(1, len(checked) + 1))
