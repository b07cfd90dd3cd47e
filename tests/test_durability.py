"""What is acknowledged is on the disk, as the system calls show, and as SIGKILL does."""

from __future__ import annotations

import re
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.installation import Installation
from tests.killtest import Unsound, Victim, rounds
from tests.load.crowd import until
from tests.programs import cannot, program

CREATIONS = 20


def test_acknowledged_keys_survive_kills(tmp_path: Path) -> None:
    """A server is killed twice while keys are created: every acknowledged key works, no key is
    incomplete, the file is sound, the audit log is whole; and the check finds what is not so."""
    victim = Victim.in_folder(tmp_path)
    seen = list(rounds(victim, 2, 200))
    assert len(seen) == 2
    assert all(stored > acknowledged > 0 for acknowledged, stored in seen)
    whole = victim.store.read_bytes()
    lost = victim.acknowledged[0]["id"].removeprefix("1c")
    last = "(SELECT max(sequence) FROM audit)"
    for change, noticed in (
        (f"UPDATE keys SET secret_hash = x'00' WHERE id = {lost}", "is incomplete"),
        (f"DELETE FROM keys WHERE id = {lost}", "is not stored"),
        ("UPDATE audit SET act = 'x' WHERE sequence = 5", "is broken at 5"),
        (f"DELETE FROM audit WHERE sequence = {last}", "stored, but not in the audit log"),
    ):
        victim.store.write_bytes(whole)
        with closing(sqlite3.connect(victim.store)) as database:
            database.execute(change)
            database.commit()
        with pytest.raises(Unsound, match=noticed):
            victim.check()


def strace() -> str:
    """The path of strace. Where it is not permitted to trace, the test is skipped."""
    path = program("strace")
    done = subprocess.run([path, "-qq", "true"], capture_output=True, text=True, check=False)
    if done.returncode:
        cannot(f"strace may not trace here: {done.stderr}")
    return path


def test_a_creation_is_on_the_disk_before_it_is_acknowledged(tmp_path: Path) -> None:
    """Between a request for a key and its 201, SQLite's log is written and synchronised."""
    victim = Victim.in_folder(tmp_path)
    trace = tmp_path / "trace"
    calls = "trace=fdatasync,fsync,write,pwrite64,writev,sendto,sendmsg,recvfrom,read"
    command = [strace(), "-D", "-f", "-y", "-s", "24", "-e", calls, "-o", str(trace)]
    victim.here.command[:0] = command
    with victim.here.serving() as process, victim.connect() as client:
        for _ in range(CREATIONS):
            assert victim.ask(client, victim.here.admin, "POST")[0] == 201
    await_end(trace, process.pid)
    _, *requests = trace.read_text().split('"POST /v2-beta/apikeys?')
    assert len(requests) == CREATIONS
    for calls_of_one in requests:
        before, acknowledged, _ = calls_of_one.partition('"HTTP/1.1 201 Created')
        assert acknowledged
        assert synchronised(before), before


def await_end(trace: Path, pid: int) -> None:
    """Wait until the tracer, which outlives the process, has written everything."""
    ended = rf"^{pid} +\+\+\+ exited with"
    until(lambda: re.search(ended, trace.read_text(), re.MULTILINE) is not None)


def synchronised(calls: str) -> bool:
    """Whether SQLite's log was written, and synchronised after the last write."""
    log = r"\(\d+<[^>]*wardgate\.db-wal>"
    writes = [match.start() for match in re.finditer(f"write(64)?{log}", calls)]
    syncs = [match.start() for match in re.finditer(f"f(data)?sync{log}", calls)]
    if not writes or not syncs or writes[-1] > syncs[-1]:
        return False
    ended = r"sync(\(\d+<[^>]*-wal>\)| resumed>\)) += 0$"
    return re.search(ended, calls[syncs[-1] :], re.MULTILINE) is not None


def test_usage_that_was_written_survives_a_kill(tmp_path: Path) -> None:
    """What is lost is what was counted since the last write: ten seconds."""
    here = Installation(tmp_path)

    def written() -> int:
        return int(here.call("/usage?by=")["data"][0]["requests"])

    with here.serving() as process:
        assert here.ask("/x", here.admin) == 502  # nobody listens there
        until(lambda: written() == 1)
        for _ in range(3):
            here.ask("/x", here.admin)
        before = written()
        process.kill()
        process.wait()
    with here.serving():
        assert before <= written() <= 4
