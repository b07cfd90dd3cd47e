"""What is acknowledged is on the disk: seen in the system calls, and after kill -9."""

from __future__ import annotations

import http.client
import re
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.killtest import Unsound, Victim, rounds
from tests.patience import PATIENCE
from tests.programs import WARDGATE, cannot, program, running

CREATIONS = 20


def test_acknowledged_keys_survive_kills(tmp_path: Path) -> None:
    """A server killed amid creations, twice: every acknowledged key works, none is half
    made, the file is sound, the audit log whole; and what checks that notices when it is not."""
    victim = Victim(tmp_path)
    seen = list(rounds(victim, 2, 200))
    assert len(seen) == 2
    assert all(stored > acknowledged > 0 for acknowledged, stored in seen)
    whole = victim.store.read_bytes()
    lost = victim.acknowledged[0]["id"].removeprefix("1c")
    last = "(SELECT max(sequence) FROM audit)"
    for change, noticed in (
        (f"UPDATE keys SET secret_hash = x'00' WHERE id = {lost}", "is half made"),
        (f"DELETE FROM keys WHERE id = {lost}", "is not stored"),
        ("UPDATE audit SET act = 'x' WHERE sequence = 5", "is broken at 5"),
        (f"DELETE FROM audit WHERE sequence = {last}", "stored, not told"),
    ):
        victim.store.write_bytes(whole)
        with closing(sqlite3.connect(victim.store)) as database:
            database.execute(change)
            database.commit()
        with pytest.raises(Unsound, match=noticed):
            victim.check()


def strace() -> str:
    """The path of strace, where it may trace."""
    path = program("strace")
    done = subprocess.run([path, "-qq", "true"], capture_output=True, text=True, check=False)
    if done.returncode:
        cannot(f"strace may not trace here: {done.stderr}")
    return path


def test_a_creation_is_on_the_disk_before_it_is_acknowledged(tmp_path: Path) -> None:
    """Between a request for a key and its 201, the store's log is written and synchronised."""
    victim = Victim(tmp_path)
    trace = tmp_path / "trace"
    calls = "trace=fdatasync,fsync,write,pwrite64,writev,sendto,sendmsg,recvfrom,read"
    command = [strace(), "-D", "-f", "-y", "-s", "24", "-e", calls, "-o", str(trace)]
    command += [*WARDGATE, "serve", "-c", "wardgate.yaml"]
    with (
        running(command, victim.port, tmp_path) as process,
        closing(http.client.HTTPConnection("127.0.0.1", victim.port, timeout=30)) as client,
    ):
        for _ in range(CREATIONS):
            assert victim.ask(client, victim.admin, "POST")[0] == 201
    await_end(trace, process.pid)
    _, *requests = trace.read_text().split('"POST /v2-beta/apikeys?')
    assert len(requests) == CREATIONS
    for calls_of_one in requests:
        before, acknowledged, _ = calls_of_one.partition('"HTTP/1.1 201 Created')
        assert acknowledged
        assert synchronised(before), before


def await_end(trace: Path, pid: int) -> None:
    """Until the tracer, which outlives the process, has written everything down."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if re.search(rf"^{pid} +\+\+\+ exited with", trace.read_text(), re.MULTILINE):
            return
        time.sleep(0.01)
    pytest.fail(f"{trace} has no end")


def synchronised(calls: str) -> bool:
    """Whether the store's log was written, and after that synchronised to the end."""
    log = r"\(\d+<[^>]*wardgate\.db-wal>"
    writes = [match.start() for match in re.finditer(f"write(64)?{log}", calls)]
    syncs = [match.start() for match in re.finditer(f"f(data)?sync{log}", calls)]
    if not writes or not syncs or writes[-1] > syncs[-1]:
        return False
    ended = r"sync(\(\d+<[^>]*-wal>\)| resumed>\)) += 0$"
    return re.search(ended, calls[syncs[-1] :], re.MULTILINE) is not None
