"""Who a node is: an id that it keeps on its machine, held by one process at a time.

A process that is started again after a crash has the file's lock, which proves that the one before
is dead: so it takes its place at once, and nobody has to wait until that lease has ended.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from proxy.store.feed import NodeIdentity
from proxy.store.protocols import StoreError

_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class HeldIdentity:
    """The id of a node in a file of the run directory, as a context in which no other process has
    it."""

    def __init__(self, directory: Path, name: str, lease: float, workers: int = 1) -> None:
        """Raises `StoreError` where another process has it, or the file cannot be used."""
        self.path = directory / f"node-{name}.id"
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(self.path, _FLAGS, 0o600)
        except OSError as error:
            raise StoreError(f"cannot write {self.path}: {error.strerror}") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.node = NodeIdentity(self._id(), name, lease, workers)
        except BlockingIOError:
            os.close(self._file)
            raise StoreError(
                f"another process on this machine is the node {name}: set cluster.name, or "
                f"cluster.run_directory ({self.path} is in use)"
            ) from None
        except OSError as error:
            os.close(self._file)
            raise StoreError(f"cannot use {self.path}: {error.strerror}") from None

    def _id(self) -> UUID:
        try:
            return UUID(os.pread(self._file, 100, 0).decode("ascii").strip())
        except ValueError:  # it is new, or nobody can read it
            new = uuid4()
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{new}\n".encode(), 0)
            os.fsync(self._file)
            return new

    def release(self) -> None:
        """Let another process have it. The file stays."""
        os.close(self._file)
