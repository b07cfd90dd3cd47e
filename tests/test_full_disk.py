"""The disk of the store is full: changes get an error that says so, what was acknowledged is kept,
keys in use work on, and all is well again once there is room."""

from __future__ import annotations

import json
import os
import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.installation import Installation
from tests.programs import await_text, free_port, need_namespaces, running, sample_api
from tests.support.credentials import Credentials
from tests.support.namespaces import SmallDisk, on_small_disk
from tests.support.postgres import server
from tests.support.processes import tries
from tests.test_several_nodes import Site

PATH = "/v1/projects/demo/hosts"


def keys_until_full(here: Installation, environment: str) -> tuple[list[Credentials], str]:
    """(the keys that were acknowledged before one was refused, the cause of that)."""
    made: list[Credentials] = []
    for _ in tries():
        body = json.dumps({"name": "k", "description": "d" * 1000})
        answer = here.call(f"/projects/{environment}/apikeys", "-d", body)
        if answer["type"] == "error":
            assert (answer["status"], answer["code"]) == (503, "ServiceUnavailable")
            return made, answer["detail"]
        made.append(Credentials.of(answer))
    pytest.fail("the disk does not fill up")


def environment_of(here: Installation) -> str:
    """The id of the environment that clients use."""
    answer = here.call("/projects?slug=demo")
    assert "data" in answer, answer
    return str(answer["data"][0]["id"])


def metric(here: Installation, name: str) -> float:
    """The value of a metric, over all workers."""
    text = here.curl("-u", here.admin.pair, f"http://127.0.0.1:{here.api}/metrics")
    return float(re.findall(rf"^{name} (\S+)$", text, re.MULTILINE)[0])


def test_a_full_disk_under_sqlite_and_the_access_log(tmp_path: Path) -> None:
    """With several workers: requests are served, and the lines that are lost are counted."""
    need_namespaces()
    upstream = free_port()
    settings: dict[str, Any] = {"workers": 2, "access_log": "var/access.log"}
    here = Installation(tmp_path, upstream, **settings)
    here.command = on_small_disk(tmp_path / "var", 4, here.command)
    with running(sample_api(upstream), upstream, tmp_path), here.serving() as master:
        await_text(tmp_path / "err", "2 workers serve", master)
        disk = SmallDisk(master.pid, tmp_path / "var")
        _, key = here.new_key()
        assert here.ask(PATH, key) == 200
        disk.fill()
        made, cause = keys_until_full(here, environment_of(here))
        assert "the store cannot be written: database or disk is full (" in cause
        for _ in tries():
            assert here.ask(PATH, key) == 200
            if metric(here, "wardgate_access_log_lost_lines_total"):
                break
        await_text(tmp_path / "err", "cannot be written: No space left on device", master)
        disk.free()
        assert {here.ask(PATH, each) for each in made} <= {200}
        assert here.ask(PATH, Credentials.of(new_key(here))) == 200
        log = Path(f"/proc/{master.pid}/root{tmp_path}/var/access.log")
        size = os.stat(log).st_size
        for _ in tries():
            assert here.ask(PATH, key) == 200
            if os.stat(log).st_size > size:
                break
        else:
            pytest.fail("the access log does not go on")


def new_key(here: Installation) -> dict[str, Any]:
    """A key that is made once there is room again."""
    path = f"/projects/{environment_of(here)}/apikeys"
    for _ in tries():
        answer = here.call(path, "-d", '{"name": "k"}')
        if answer["type"] != "error":
            return answer
    pytest.fail(f"no key can be made: {answer}")


def test_a_full_disk_under_postgresql(tmp_path: Path) -> None:
    """Nodes say the cause, and go by what they know."""
    need_namespaces()
    with server(small_disk=112) as postgres, ExitStack() as open_:
        site = Site(tmp_path, postgres, open_)
        _, key = site.on("a").new_key()
        assert [site.ask(name, key) for name in "ab"] == [200, 200]
        # Its log has room: without, it would crash, as it should.
        postgres.sql("SELECT pg_switch_wal()")
        postgres.sql("CREATE TABLE written ()")
        postgres.disk().fill()
        made, cause = keys_until_full(site.on("a"), environment_of(site.on("a")))
        assert "the store cannot be written: could not extend file" in cause
        assert "No space left on device" in cause
        assert [site.ask(name, key) for name in "ab"] == [200, 200]
        postgres.disk().free()
        made.append(Credentials.of(new_key(site.on("b"))))
        made.append(Credentials.of(new_key(site.on("a"))))
        assert {site.ask(name, each) for each in made for name in "ab"} == {200}
