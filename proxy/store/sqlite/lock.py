"""One process holds a store. Another one is refused with an error that names the first."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from proxy.store.protocols import StoreError, StoreInUse


class StoreLock:
    """An exclusive `flock` on a file beside the store; kill -9 of its process releases it too."""

    def __init__(self, store: Path, holder: str) -> None:
        """Take the lock of the store at `store`, a resolved path. Raises `StoreError`."""
        path = store.with_name(store.name + ".lock")
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise StoreError(f"cannot lock store {store}: {error.strerror}") from None
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid, _, other = os.pread(self._fd, 200, 0).decode("ascii", "replace").partition(" ")
            os.close(self._fd)
            raise StoreInUse(store, pid, other.strip()) from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()} {holder}\n".encode(), 0)

    def release(self) -> None:
        """Release the lock. The file stays: without it, two processes could lock two files."""
        os.ftruncate(self._fd, 0)
        os.close(self._fd)
