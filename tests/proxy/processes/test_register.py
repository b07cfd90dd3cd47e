"""The file by which a master is found names a process of the file's owner, or none."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.domain.errors import WardgateError
from proxy.processes.register import Register, running


@pytest.fixture
def register(tmp_path: Path) -> Iterator[Register]:
    """That of this process."""
    made = Register(tmp_path / "master.json")
    yield made
    os.close(made.fd)


def test_a_master_is_found_while_it_runs(register: Register) -> None:
    """By its process number, and what came of the last exchange of its program."""
    register.succeeded(1)
    assert running(register.path) == (os.getpid(), 1, "", 1)
    other = os.dup(register.fd)
    os.close(register.fd)
    assert running(register.path) is not None
    os.close(other)
    assert running(register.path) is None
    register.fd = os.open(register.path, os.O_RDONLY)


def test_an_error_of_any_length_and_letters_is_told(register: Register) -> None:
    """As much of it as there is room for."""
    register.failed("ж" * 5000)
    found = running(register.path)
    assert found is not None
    assert found.pid == os.getpid()
    assert found.attempts == 1
    assert found.error.startswith("ж" * 100)


@pytest.mark.parametrize("pid", [0, -1, -12345, 1 << 40, "x", None], ids=lambda pid: f"pid {pid}")
def test_what_is_no_process_is_not_signalled(register: Register, pid: object) -> None:
    """kill(2) takes 0 for the caller's own process group, and a negative number for another."""
    written = json.dumps({"pid": pid, "generation": 0}).encode()
    os.pwrite(register.fd, written.ljust(4096), 0)
    with pytest.raises(WardgateError, match="names no process of its owner"):
        running(register.path)


def test_a_master_that_has_just_begun_is_no_process_yet(register: Register) -> None:
    """It has the lock before it has written who it is."""
    os.ftruncate(register.fd, 0)
    with pytest.raises(WardgateError, match="a master has just begun"):
        running(register.path)


def test_a_process_of_another_user_is_not_signalled(register: Register) -> None:
    """Whoever may write the file could else have root send a signal to any process."""
    pid = os.getpid()
    if os.geteuid() == 0:
        os.chown(register.path, 65534, 65534)
    else:
        pid = 1
    os.pwrite(register.fd, json.dumps({"pid": pid, "generation": 0}).encode().ljust(4096), 0)
    with pytest.raises(WardgateError, match="names no process of its owner"):
        running(register.path)
