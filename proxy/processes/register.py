"""The file by which `wardgate upgrade` finds the master, and the master tells what came of it.

Its lock says whether a master runs: it ends with the last process that has the file open.

Tested in `tests/test_upgrade.py`.
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Final, NamedTuple

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
        data = json.dumps(self._entry._asdict()).encode().ljust(_MOST)
        os.pwrite(self.fd, data, 0)  # always as long, so that nobody reads a half


def running(path: Path) -> Entry | None:
    """The entry of the master that runs, None where none does. Raises `OSError`."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(fd)
    finally:
        os.close(fd)
    return None


def _read(fd: int) -> Entry:
    try:
        return Entry(**json.loads(os.pread(fd, _MOST, 0)))
    except (ValueError, TypeError):  # somebody else has written it
        return Entry(0, 0)
