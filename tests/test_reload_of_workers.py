"""A reload where several processes serve: it is one for all of them."""

from __future__ import annotations

import json
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.programs import await_text
from tests.test_workers import Clients, Site, await_keeper, eventually, site_of


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A master with two workers."""
    with site_of(tmp_path) as site:
        yield site


def test_a_reload_is_one_for_all(site: Site) -> None:
    """SIGHUP: all workers serve by the new configuration, which is said once; a file with an error
    changes nothing, and a worker that is started later has the last one that was valid."""
    number, key = site.made.new_key()
    before = site.made.call(f"/apikeys/{number}")
    file = site.folder / "wardgate.yaml"
    route = {"path": "/v1/projects/{environment}/**", "access": "environment", "methods": ["POST"]}
    file.write_text(json.dumps(json.loads(file.read_text()) | {"routes": [route]}))
    site.master.send_signal(signal.SIGHUP)
    await_text(site.folder / "err", "wardgate.yaml is in use", site.master)
    # The keeper says so, and the workers read the file at the same time as it does.
    eventually(lambda: {site.made.ask(Clients.PATH, key) for _ in range(12)} == {405})
    assert {site.made.ask(Clients.PATH, key) for _ in range(12)} == {405}
    assert site.made.call(f"/apikeys/{number}")["endpoint"] == before["endpoint"]
    file.write_text("{}")
    site.master.send_signal(signal.SIGHUP)
    await_text(site.folder / "err", "is refused", site.master)
    os.kill(site.workers[0], signal.SIGKILL)
    await_text(site.folder / "err", "started again", site.master)
    assert {site.made.ask(Clients.PATH, key) for _ in range(12)} == {405}
    assert site.err().count("is in use: ") == 1
    assert site.err().count("the one before stays in use") == 1


def test_a_worker_that_cannot_reload_is_told_of(site: Site) -> None:
    """It goes on with the configuration of before, which the keeper does not know by its own
    reload: as where a flood of clients has taken all handles of the worker."""
    worker = site.workers[0]
    handles = {int(each.name) for each in Path(f"/proc/{worker}/fd").iterdir()}
    free = next(each for each in range(4096) if each not in handles)
    soft, hard = resource.prlimit(worker, resource.RLIMIT_NOFILE)
    resource.prlimit(worker, resource.RLIMIT_NOFILE, (free, hard))
    site.master.send_signal(signal.SIGHUP)
    await_text(site.folder / "err", "wardgate.yaml is in use", site.master)
    readiness = ("-u", site.made.admin.pair, f"http://127.0.0.1:{site.made.api}/readyz")
    refused = "configuration wardgate.yaml is refused: it has 1 problem"
    eventually(lambda: site.made.curl(*readiness).count(refused) == 1)
    resource.prlimit(worker, resource.RLIMIT_NOFILE, (soft, hard))
    site.master.send_signal(signal.SIGHUP)
    eventually(lambda: refused not in site.made.curl(*readiness))


def test_a_reload_may_switch_tls_on(site: Site) -> None:
    """The keeper, which serves no clients, says the new URL, and so does the next one."""
    number, _ = site.made.new_key()
    before = site.made.call(f"/apikeys/{number}")["endpoint"]
    made = trustme.CA().issue_cert("127.0.0.1")
    made.private_key_and_cert_chain_pem.write_to_path(site.folder / "tls.pem")
    file = site.folder / "wardgate.yaml"
    tls = {"certificate": "tls.pem", "key": "tls.pem"}
    file.write_text(json.dumps(json.loads(file.read_text()) | {"tls": tls}))
    site.master.send_signal(signal.SIGHUP)
    await_text(site.folder / "err", "wardgate.yaml is in use", site.master)
    after = before.replace("http://", "https://")
    assert site.made.call(f"/apikeys/{number}")["endpoint"] == after
    keeper = site.keeper
    os.kill(keeper, signal.SIGKILL)
    await_keeper(site, keeper)
    assert site.made.call(f"/apikeys/{number}")["endpoint"] == after
