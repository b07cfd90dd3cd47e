"""A backup of a SQLite store in one file, and a store made from one.

The rule that lives here: what is made appears under its name only once it is complete, checked and
on the disk, and never in place of something else. Until then it is in a folder beside it that only
its owner can enter, and that is removed in any case.
"""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from proxy.domain.audit import Actor, Entry
from proxy.domain.audit_chain import verify
from proxy.store.protocols import StoreError
from proxy.store.sql.rows import AUDIT, to_audited
from proxy.store.sqlite.lock import StoreLock
from proxy.store.sqlite.schema import (
    make_directory,
    require_exists,
    require_no_folder,
    require_sound,
    uri_of,
)
from proxy.store.sqlite.store import SqliteStore

RESTORE: Final = "store.restore"
"""The action of the entry that a restored store gets."""
_HOLDER: Final = "wardgate store restore"
_ANY_TIME: Final = 2**63 - 1
"""Milliseconds since the epoch: the latest time that the store can have."""
_IDENTITY_SINCE: Final = 3
"""The schema from which on the audit log has the column `identity`."""
_NO_LINKS: Final = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)
"""What file systems without hard links answer."""


def backup(path: Path, target: Path) -> None:
    """Write the store at `path`, which may be in use, to the new file `target`, with mode 0600.

    Reading takes a moment of the store as it is then, and delays no change. Raises `StoreError`.
    """
    require_no_folder(path)
    require_exists(path)
    require_vacant(target)
    try:
        require_sound(path)
        with made_beside(target) as made:
            _copy(path, made)
    except sqlite3.Error as error:
        raise StoreError(f"cannot back up {path} to {target}: {error}") from None
    except OSError as error:
        raise StoreError(f"cannot write {target}: {error.strerror}") from None


def restore(source: Path, path: Path, now: int) -> None:
    """Make a store at `path`, where there is none, of the backup `source`.

    Its audit log gets an entry about that. Its revision is again what it was; no record in memory
    has a later one, since whoever held the store has ended. `now` is in milliseconds since the
    epoch. Raises `StoreError`.
    """
    require_vacant(path)
    try:
        _require_backup(source)
        make_directory(path)
        lock = StoreLock(path, _HOLDER)
        try:
            require_vacant(path, *(path.with_name(path.name + end) for end in JOURNALS))
            with made_beside(path) as made:
                _copy(source, made)
                asyncio.run(_record(made, source, now))
        finally:
            lock.release()
    except sqlite3.Error as error:
        raise StoreError(f"cannot restore {source} to {path}: {error}") from None
    except OSError as error:
        where = error.filename or path
        raise StoreError(f"cannot restore {source}: {where}: {error.strerror}") from None


JOURNALS: Final = ("-wal", "-shm", "-journal")
"""The ends of the names of SQLite's own files. It would apply them to whatever store is beside."""


def require_vacant(*paths: Path) -> None:
    """Raises `StoreError` if anything is at one of `paths`, be it a link to nothing."""
    for path in paths:
        if os.path.lexists(path):
            raise StoreError(f"{path} exists already: it is not overwritten")


def _require_backup(source: Path) -> None:
    """Refuse what is no sound store with an audit log that verifies.

    Raises `StoreError`, sqlite3.Error, OSError.
    """
    require_no_folder(source)
    with source.open("rb") as file:
        if not file.read(1):
            raise StoreError(f"{source} is empty: it is no backup")
    require_sound(source)
    with closing(sqlite3.connect(uri_of(source), uri=True)) as db:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if not version:
            raise StoreError(f"{source} is no backup of a store")
        verdict = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if verdict != "ok":
            raise StoreError(f"{source} is damaged: {verdict.splitlines()[-1]}")
        columns = AUDIT if version >= _IDENTITY_SINCE else AUDIT.replace("identity", "NULL")
        entries = db.execute(f"SELECT {columns} FROM audit ORDER BY sequence")
        problems = verify(map(to_audited, entries)).problems
        if problems:
            raise StoreError(f"the audit log in {source} does not verify: {problems[0]}")


def _copy(source: Path, made: Path) -> None:
    """Copy a store, with what is in its WAL, as it is at one moment.

    The new file needs no WAL beside it. Raises sqlite3.Error, OSError.
    """
    os.close(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with (
        closing(sqlite3.connect(uri_of(source), uri=True)) as db,
        closing(sqlite3.connect(made)) as copy,
    ):
        db.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")


async def _record(made: Path, source: Path, now: int) -> None:
    """Migrate a store if need be, append to its audit log that it was restored, and end all
    sessions: one that was ended since the backup must not begin again."""
    store = await SqliteStore.open(str(made), create=False, holder=_HOLDER)
    try:
        async with store.write() as change:
            after = {"file": str(source)}
            await change.record(Entry(now, Actor(), RESTORE, "store", None, after))
            await change.end_old_sessions(created=_ANY_TIME, last_seen=_ANY_TIME)
    finally:
        await store.close()


@contextmanager
def made_beside(path: Path, prefix: str = "") -> Iterator[Path]:
    """A file to make, which gets the name `path` when the context ends without an error. Until
    then it is in a folder `.NAME.PREFIX…` beside it.

    Raises `StoreError`, OSError.
    """
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.{prefix}") as folder:
        made = Path(folder, path.name)
        yield made
        _sync(made)
        try:
            os.link(made, path)
        except FileExistsError:
            require_vacant(path)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            require_vacant(path)
            os.rename(made, path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    """Have a file, or the names in a folder, on the disk. Raises OSError."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
