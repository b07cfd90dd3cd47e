"""One process holds a store. Another one is refused with an error that names the first."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from proxy.store.protocols import StoreError, StoreInUse

_FLAGS: Final = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW


class StoreLock:
    """An exclusive `flock` on a file beside the store; kill -9 of its process releases it too."""

    def __init__(self, store: Path, holder: str, fd: int | None = None) -> None:
        """Take the lock of the store at `store`, a resolved path. `fd`: a handle that has the lock,
        and that others have too. Raises `StoreError`."""
        self._shared = fd is not None
        if fd is not None:
            self.fd = fd
            return
        try:
            self.fd = os.open(_path(store), _FLAGS | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreError(f"cannot lock store {store}: {error.strerror}") from None
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            in_use = _in_use(store, self.fd)
            os.close(self.fd)
            raise in_use from None
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, f"{os.getpid()} {holder}\n".encode(), 0)

    def release(self) -> None:
        """Release the lock. The file stays: without it, two processes could lock two files."""
        if self._shared:
            return  # it lasts as long as any of them
        os.ftruncate(self.fd, 0)
        os.close(self.fd)


def holder_of(store: Path) -> StoreInUse | None:
    """The error that taking the lock would raise now, or None if it is free. Makes no file.

    Raises `StoreError` where the file of the lock cannot be used.
    """
    try:
        file = os.open(_path(store), _FLAGS)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"cannot lock store {store}: {error.strerror}") from None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _in_use(store, file)
    finally:
        os.close(file)
    return None


def _path(store: Path) -> Path:
    return store.with_name(store.name + ".lock")


def _in_use(store: Path, file: int) -> StoreInUse:
    pid, _, holder = os.pread(file, 200, 0).decode("ascii", "replace").partition(" ")
    return StoreInUse(store, pid, holder.strip())
