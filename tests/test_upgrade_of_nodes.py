"""Two versions side by side on one database, from the migration to the end of the upgrade."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.installation import CONFIG
from tests.next_version import NEXT
from tests.programs import module, running, wardgate
from tests.support.credentials import Credentials
from tests.support.postgres import server
from tests.test_several_nodes import Site, eventually

NEXT_VERSION = module("tests.next_version")
CHANGE = (
    "WITH at AS (UPDATE wardgate.meta SET revision = revision + 1 RETURNING revision) "
    "INSERT INTO wardgate.changes (revision, ordinal, nonce, time, kind, id) "
    "SELECT revision, 0, gen_random_uuid(), 0, '{}', {} FROM at; NOTIFY wardgate"
)


class Upgraded(Site):
    """Two nodes, of which each can be started with the next version."""

    def restart(self, name: str) -> None:
        """Stop a node, and start it with the next version."""
        self.stop(name)
        file = CONFIG if name == "a" else "b.yaml"
        command = [*NEXT_VERSION, "serve", "-c", file]
        started = running(command, self.ports[name][1], self.folder)
        self.processes[name] = self._open.enter_context(started)

    def stop(self, name: str) -> None:
        """Stop a node as its operator does."""
        self.processes[name].send_signal(signal.SIGTERM)
        self.processes[name].wait()

    def store(self, *words: str) -> subprocess.CompletedProcess[str]:
        """What the next version's `wardgate store` does."""
        return wardgate("store", *words, "-c", CONFIG, cwd=self.folder, program=NEXT_VERSION)

    def sql(self, statement: str) -> str:
        """What an operator or another version writes into the database."""
        return self.postgres.sql(statement, "test1")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Upgraded]:
    """Two nodes of the present version."""
    with server() as postgres, ExitStack() as open_:
        yield Upgraded(tmp_path, postgres, open_)


@contextmanager
def load(site: Upgraded, name: str, key: Credentials) -> Iterator[list[int]]:
    """Ask a node again and again; the statuses of the answers."""
    port, answers, over = site.ports[name][0], list[int](), threading.Event()

    def ask() -> None:
        while not over.is_set():
            url = f"http://127.0.0.1:{port}/v1/projects/demo/hosts"
            wanted = (
                "-o",
                "/dev/null",
                "-w",
                "%{http_code}",
                "-u",
                f"{key.access_key}:{key.secret}",
            )
            answers.append(int(site.a.curl(*wanted, url)))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield answers
    finally:
        over.set()
        asking.join()


def test_nodes_are_upgraded_one_by_one_while_they_serve(site: Upgraded) -> None:
    """Each version goes by the changes of the other; what only the next one understands permits
    nothing on the present one, which is locked out once the upgrade is finished."""
    number, key = site.on("a").new_key()
    place = site.on("a").call("/projects?slug=demo")["data"][0]["id"]
    made = site.on("a").call(f"/projects/{place}/apikeys", "-d", '{"name": "steady"}')
    steady = Credentials.of(made)
    with load(site, "a", steady) as answers:
        refused = wardgate("store", "finish-upgrade", "-c", CONFIG, cwd=site.folder)
        assert "the upgrade was finished before" in refused.stderr
        assert f"the store has schema {NEXT} now" in site.store("migrate").stderr
        site.restart("b")
        for maker, other in ("ab", "ba"):
            site.on(maker).call(f"/apikeys/{number}?action=deactivate", "-X", "POST")
            eventually(lambda at=other: site.ask(at, key), 401, while_=200)  # type: ignore[misc]
            site.on(other).call(f"/apikeys/{number}?action=activate", "-X", "POST")
            eventually(lambda at=maker: site.ask(at, key), 200, while_=401)  # type: ignore[misc]

        row = number.removeprefix("1c")
        site.sql(f"UPDATE wardgate.keys SET needs = {NEXT} WHERE id = {row}")
        site.sql(CHANGE.format("k", row))
        eventually(lambda: site.ask("a", key), 401, while_=200)
        assert site.ask("b", key) == 200

        site.sql(f"UPDATE wardgate.keys SET needs = 0 WHERE id = {row}")
        site.sql(CHANGE.format("a kind that nobody knows", "NULL"))
        eventually(lambda: site.ask("a", key), 200, while_=401)  # all that it knew was dropped

        early = site.store("finish-upgrade")
        assert early.returncode == 1
        assert "the node a still runs version" in early.stderr
    assert set(answers) == {200}
    with load(site, "b", steady) as answers:
        site.stop("a")
        done = site.store("finish-upgrade")
        assert done.returncode == 0, done.stderr
        late = wardgate("serve", "-c", CONFIG, cwd=site.folder)
        assert late.returncode == 1
        assert "use the version of Wardgate that wrote it, or a later one" in late.stderr
        site.restart("a")
        assert site.ask("a", key) == 200
    assert set(answers) == {200}
