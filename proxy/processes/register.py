"""The file by which `wardgate upgrade` finds the master, and the master tells what came of it.

Its lock says whether a master runs: it ends with the last process that has the file open.

Tested in `tests/proxy/processes/test_register.py` and `tests/test_upgrade.py`.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import TypeAdapter

from proxy.domain.errors import WardgateError

_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_MOST: Final = 4096


class Entry(NamedTuple):
    """What is in the file."""

    pid: int
    generation: int
    """How often the program was exchanged."""
    error: str = ""
    """Why the last attempt to do that changed nothing."""
    attempts: int = 0


_ENTRY: Final = TypeAdapter(Entry)


class Register:
    """The file, held by the master."""

    def __init__(self, path: Path, fd: int | None = None) -> None:
        """`fd`: the file, held by this process already. Raises `WardgateError` where another master
        has it."""
        self.path = path
        try:
            if fd is None:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.fd = os.open(path, _FLAGS, 0o600) if fd is None else fd
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = _read(self.fd).pid
            raise WardgateError(f"process {pid} serves already, by {path}") from None
        except OSError as error:
            raise WardgateError(f"cannot use {path}: {error.strerror}") from None
        self._entry = Entry(os.getpid(), 0) if fd is None else _read(fd)
        self._write()

    def succeeded(self, generation: int) -> None:
        """The program of this generation serves."""
        self._entry = self._entry._replace(
            generation=generation, error="", attempts=self._entry.attempts + 1
        )
        self._write()

    def failed(self, error: str) -> None:
        """An attempt to exchange the program has changed nothing."""
        attempts = self._entry.attempts + 1
        self._entry = self._entry._replace(error=error[: _MOST // 4], attempts=attempts)
        self._write()

    def _write(self) -> None:
        entry = self._entry
        while len(data := json.dumps(entry._asdict()).encode()) > _MOST:
            entry = entry._replace(error=entry.error[: len(entry.error) // 2])
        os.pwrite(self.fd, data.ljust(_MOST), 0)  # always as long, so that nobody reads a half


def running(path: Path) -> Entry | None:
    """The entry of the master that runs, None where none does. It names a process of the owner of
    the file, so that whoever sends it a signal, such as root, signals nobody else's. Raises
    `OSError`, and `WardgateError` where it names none."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        entry = _read(fd)
        if _user_of(entry.pid) != os.fstat(fd).st_uid:
            raise WardgateError(
                f"{path} names no process of its owner: a master has just begun, or somebody else "
                "has written it"
            ) from None
        return entry
    finally:
        os.close(fd)
    return None


def _user_of(pid: int) -> int | None:
    """The user as whom a process runs (proc_pid_status(5)); None where there is none."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("Uid:"):
                return int(line.split()[2])
    return None


def _read(fd: int) -> Entry:
    try:
        return _ENTRY.validate_json(os.pread(fd, _MOST, 0))
    except ValueError:  # nobody has written it yet, or somebody else has
        return Entry(0, 0)
