"""Several workers as their users run them: a master, a keeper and workers, of which each may be
killed at any moment."""

from __future__ import annotations

import base64
import http.client
import os
import re
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.installation import Installation
from tests.patience import PATIENCE
from tests.programs import await_text, free_port, running, sample_api, wardgate
from tests.support.credentials import Credentials
from tests.support.postgres import server
from tests.support.processes import listens, tries

WORKERS = 3


class Site:
    """A gateway with several workers in front of the sample API."""

    def __init__(self, folder: Path, master: subprocess.Popen[str], made: Installation) -> None:
        self.folder = folder
        self.master = master
        self.made = made

    @property
    def children(self) -> list[int]:
        """The processes of the master: the keeper, and the workers."""
        found = Path(f"/proc/{self.master.pid}/task/{self.master.pid}/children").read_text()
        return [int(each) for each in found.split()]

    @property
    def keeper(self) -> int:
        """The process that listens for the admin server."""
        return next(each for each in self.children if listens(each, self.made.api))

    @property
    def workers(self) -> list[int]:
        """The others."""
        keeper = self.keeper
        return [each for each in self.children if each != keeper]

    def err(self) -> str:
        """What all processes have printed."""
        return (self.folder / "err").read_text()

    def metric(self, name: str) -> float:
        """The value of a metric of all processes."""
        text = self.made.curl(
            "-u", self.made.admin.pair, f"http://127.0.0.1:{self.made.api}/metrics"
        )
        return float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)[1])  # type: ignore[index]


@contextmanager
def site_of(folder: Path, api: int | None = None, **settings: Any) -> Iterator[Site]:
    """A site with settings of its own, in front of the sample API or of one on another port."""
    upstream = free_port()
    with running(sample_api(upstream), upstream, folder):
        made = Installation(folder, api or upstream, **{"workers": WORKERS} | settings)
        with made.serving() as master:
            await_text(folder / "err", f"{WORKERS} workers serve", master)
            yield Site(folder, master, made)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Workers that serve."""
    with site_of(tmp_path) as made:
        yield made


class Clients:
    """Clients that use a key without a pause, each with one connection that it opens anew where it
    ends."""

    PATH = "/v1/projects/demo/hosts"

    def __init__(self, port: int, key: Credentials, number: int = 4) -> None:
        self.answers: Counter[int | str] = Counter()
        self._port = port
        self._fields = {"Authorization": key.basic.decode().removeprefix("Authorization: ").strip()}
        self._ends = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(number)]

    def __enter__(self) -> Clients:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        for each in self._threads:
            each.join(PATIENCE)

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        while not self._ends.is_set():
            new = connection.sock is None
            try:
                connection.request("GET", self.PATH, headers=self._fields)
                answer = connection.getresponse()
                answer.read()
                self.answers[answer.status] += 1
            except (OSError, http.client.HTTPException) as error:
                # A kept connection may end between two requests, as RFC 9112 9.3.1 has it.
                self.answers[f"{'new' if new else 'kept'} {type(error).__name__}"] += 1
                connection.close()
        connection.close()

    def wait_for(self, more: int) -> None:
        """Until so many more requests were answered."""
        until = self.answers[200] + more
        for _ in tries():
            if self.answers[200] >= until:
                return
            time.sleep(0.01)
        pytest.fail(f"no more answers: {self.answers}")


def test_a_change_holds_for_the_next_request_at_every_worker(site: Site) -> None:
    """As with one process: when the admin API has answered, no worker lets the key in, or keeps it
    out."""
    number, key = site.made.new_key()
    with Clients(site.made.gateway, key) as clients:
        for _ in range(25):
            site.made.call(f"/apikeys/{number}?action=deactivate", "-X", "POST")
            assert {site.made.ask(Clients.PATH, key) for _ in range(6)} == {401}
            site.made.call(f"/apikeys/{number}?action=activate", "-X", "POST")
            assert {site.made.ask(Clients.PATH, key) for _ in range(6)} == {200}
    assert set(clients.answers) == {200, 401}


def test_all_workers_serve_and_their_counts_are_added_up(site: Site) -> None:
    """Connections are spread over the workers, and the metrics are those of all of them; bcrypt ran
    for one of them alone."""
    _, key = site.made.new_key()
    assert {site.made.ask(Clients.PATH, key) for _ in range(60)} == {200}
    served = 'wardgate_requests_total{status="2xx"}'
    eventually(lambda: len(site.made.log) == 60 and site.metric(served) == 60)
    admin_and_key = 2
    assert site.metric('wardgate_verification_seconds_count{credentials="sealed"}') == admin_and_key
    ids = {line["id"].rpartition("-")[0] for line in site.made.log}
    assert len(ids) == WORKERS, "each worker has its own prefix of request ids"


def eventually(holds: Callable[[], bool]) -> None:
    """Ask until it holds."""
    for _ in tries():
        if holds():
            return
        time.sleep(0.02)
    pytest.fail("it does not hold")


def test_a_worker_that_is_killed_is_started_again(site: Site) -> None:
    """Only connections that it had end; new ones wait in its socket. Its counts stay."""
    _, key = site.made.new_key()
    with Clients(site.made.gateway, key) as clients:
        clients.wait_for(200)
        time.sleep(1.1)  # its last report
        before = site.metric('wardgate_requests_total{status="2xx"}')
        for victim in site.workers:
            os.kill(victim, signal.SIGKILL)
            clients.wait_for(200)
        assert site.metric('wardgate_requests_total{status="2xx"}') >= before
    broken = {each for each in clients.answers if each != 200}
    # What was queued for it, or had just been accepted, ended with it; nothing was refused.
    assert all("RemoteDisconnected" in str(e) or "ConnectionReset" in str(e) for e in broken)
    again = "has ended by signal 9; it is started again"
    eventually(lambda: site.err().count(again) == WORKERS)
    eventually(lambda: len(site.children) == 1 + WORKERS)


def test_without_the_keeper_known_keys_work(site: Site) -> None:
    """It is started again; meanwhile nobody can change anything, and no request fails. A key that
    is deactivated afterwards is refused at once."""
    number, key = site.made.new_key()
    with Clients(site.made.gateway, key) as clients:
        clients.wait_for(100)
        for _ in range(3):
            keeper = site.keeper
            os.kill(keeper, signal.SIGKILL)
            clients.wait_for(200)
            await_keeper(site, keeper)
        site.made.call(f"/apikeys/{number}?action=deactivate", "-X", "POST")
        assert {site.made.ask(Clients.PATH, key) for _ in range(6)} == {401}
    assert set(clients.answers) <= {200, 401}
    made = site.made.new_key("other")[1]
    assert site.made.ask("/v1/projects/other/hosts", made) == 200


def await_keeper(site: Site, before: int) -> None:
    """Wait until another keeper than `before` listens."""
    for _ in tries():
        try:
            if site.keeper != before:
                return
        except (StopIteration, FileNotFoundError):
            pass
        time.sleep(0.01)
    pytest.fail("there is no other keeper")


def test_a_master_that_is_killed_takes_all_with_it(site: Site) -> None:
    """Nobody serves on without it, and the store is free once all have ended."""
    children = site.children
    busy = wardgate("serve", "-c", "wardgate.yaml", cwd=site.folder)
    assert busy.returncode == 1
    assert "is in use by process" in busy.stderr
    site.master.kill()
    site.master.wait()
    eventually(lambda: not any(Path(f"/proc/{each}").exists() for each in children))
    with site.made.serving():
        _, key = site.made.new_key()
        assert site.made.ask(Clients.PATH, key) == 200


def test_a_stop_lets_requests_finish(site: Site) -> None:
    """SIGTERM: a request under way is answered, all processes end, and what was counted is kept."""
    number, key = site.made.new_key()
    with Clients(site.made.gateway, key) as clients:
        clients.wait_for(100)
        site.master.terminate()
        assert site.master.wait(PATIENCE) == 0
    answered = clients.answers[200]
    broken = Counter(clients.answers)
    del broken[200]
    assert all("Refused" in str(e) or "kept" in str(e) or "Reset" in str(e) for e in broken)
    with site.made.serving():
        assert site.made.call(f"/apikeys/{number}")["useCount"] == answered


def test_what_cannot_start_is_said_once(tmp_path: Path) -> None:
    """Before anybody is served: the address is in use, or the store is missing."""
    made = Installation(tmp_path, workers=WORKERS)
    other = running(sample_api(made.gateway), made.gateway, tmp_path)
    with other:
        failed = wardgate("serve", "-c", "wardgate.yaml", cwd=tmp_path)
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1
    assert f"cannot listen on 127.0.0.1:{made.gateway}: Address already in use" in failed.stderr
    with running(sample_api(made.api), made.api, tmp_path):
        failed = wardgate("serve", "-c", "wardgate.yaml", cwd=tmp_path)
    assert failed.returncode == 1
    assert failed.stderr.count("cannot listen on") == 1
    for file in (tmp_path / "var").iterdir():
        file.unlink()
    failed = wardgate("serve", "-c", "wardgate.yaml", cwd=tmp_path)
    assert failed.returncode == 1
    assert "run `wardgate init" in failed.stderr


def test_a_guess_counts_wherever_it_is_made(site: Site) -> None:
    """The budget of a source is one for all workers and the admin server, as with one process."""
    guess = {"Authorization": "Basic " + base64.b64encode(b"someone:a-guess").decode()}

    def answer(port: int, path: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        connection.request("GET", path, headers=guess)
        status = connection.getresponse().status
        connection.close()
        return status

    def spent() -> bool:
        for _ in range(60):
            answer(site.made.gateway, Clients.PATH)
        return answer(site.made.api, "/v2-beta") == 429

    assert any(spent() for _ in range(5)), "one guess a second comes back"


def test_no_process_dumps_its_core(site: Site) -> None:
    """Nor does the master, which has the configuration with its secrets."""
    for each in (site.master.pid, *site.children):
        limits = Path(f"/proc/{each}/limits").read_text()
        assert re.search(r"^Max core file size +(1 +1|0 +0) ", limits, re.MULTILINE)


def memory_has(pid: int, secret: bytes) -> bool:
    """Whether some bytes are anywhere in the memory that a process can write."""
    maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
    with Path(f"/proc/{pid}/mem").open("rb") as memory:
        for line in maps:
            place, rights, *_ = line.split()
            if not rights.startswith("rw"):
                continue
            start, end = (int(each, 16) for each in place.split("-"))
            memory.seek(start)
            with suppress(OSError):
                if secret in memory.read(end - start):
                    return True
    return False


def test_workers_do_not_have_the_password_of_the_store(tmp_path: Path) -> None:
    """It is in the memory of the keeper alone; a key works at all of them over PostgreSQL, and a
    change holds for the next request."""
    password = tmp_path / "password"
    password.write_text("a-password-that-nobody-else-has\n")
    password.chmod(0o600)
    secret = password.read_bytes().strip()
    with (
        server() as postgres,
        site_of(
            tmp_path,
            store=postgres.new_url(),
            postgres={"password_file": "password"},
            cluster={"name": "a", "lease": 5, "beat": 0.5, "run_directory": "run"},
        ) as site,
    ):
        assert memory_has(site.keeper, secret)
        assert not any(memory_has(each, secret) for each in site.workers)
        number, key = site.made.new_key()
        assert {site.made.ask(Clients.PATH, key) for _ in range(6)} == {200}
        site.made.call(f"/apikeys/{number}?action=deactivate", "-X", "POST")
        assert {site.made.ask(Clients.PATH, key) for _ in range(6)} == {401}
