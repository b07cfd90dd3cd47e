"""What is acknowledged is on the disk, as the system calls show, and as SIGKILL does."""

from __future__ import annotations

import re
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.installation import Installation
from tests.killtest import Unsound, Victim, rounds
from tests.load.crowd import until
from tests.programs import cannot, program
from tests.support.postgres import server
from tests.support.stored import PostgresDatabase, SqliteFile

CREATIONS = 20


def test_acknowledged_keys_survive_kills(tmp_path: Path) -> None:
    """A server is killed twice while keys are made and deactivated, once with its workers: every
    acknowledged change holds, no key is incomplete, the file is sound, the audit log is whole; and
    the check finds what is not so."""
    stored = SqliteFile(tmp_path)
    victim = Victim(tmp_path, stored)
    are_sound(rounds(victim, 2, 200))
    whole = stored.path.read_bytes()
    first = next(each for each in victim.acknowledged if each.state == "active")
    lost = first.resource["id"].removeprefix("1c")
    made = "(SELECT max(sequence) FROM audit WHERE act = 'key.create')"
    for change, noticed in (
        (f"UPDATE keys SET secret_hash = x'00' WHERE id = {lost}", "is incomplete"),
        (f"UPDATE keys SET state = 'inactive' WHERE id = {lost}", "is stored as inactive"),
        (f"DELETE FROM keys WHERE id = {lost}", "is not stored"),
        ("UPDATE audit SET act = 'x' WHERE sequence = 5", "is broken at 5"),
        (f"DELETE FROM audit WHERE sequence >= {made}", "stored, but not in the audit log"),
    ):
        stored.path.write_bytes(whole)
        with closing(sqlite3.connect(stored.path)) as database:
            database.execute(change)
            database.commit()
        with pytest.raises(Unsound, match=noticed):
            victim.check()


def test_acknowledged_keys_survive_kills_of_a_node_and_of_postgresql(tmp_path: Path) -> None:
    """The same, where the store's server is killed as well."""
    with server() as postgres:
        are_sound(rounds(Victim(tmp_path, PostgresDatabase(postgres)), 2, 100))


def are_sound(seen: Iterator[tuple[int, int]]) -> None:
    """Two rounds find what was acknowledged, and the key of the first admin."""
    counts = list(seen)
    assert len(counts) == 2
    assert all(stored > acknowledged > 0 for acknowledged, stored in counts)


def strace() -> str:
    """The path of strace. Where it is not permitted to trace, the test is skipped."""
    path = program("strace")
    done = subprocess.run([path, "-qq", "true"], capture_output=True, text=True, check=False)
    if done.returncode:
        cannot(f"strace may not trace here: {done.stderr}")
    return path


def test_a_creation_is_on_the_disk_before_it_is_acknowledged(tmp_path: Path) -> None:
    """Between a request for a key and its 201, SQLite's log is written and synchronised."""
    victim = Victim(tmp_path, SqliteFile(tmp_path))
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
