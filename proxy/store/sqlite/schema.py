"""Making a SQLite store, migrating an older one, and refusing a file that is no sound store.

All of this runs in a thread before the store is opened. A file that is refused is not changed.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import stat
import tempfile
from collections.abc import Iterator
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from proxy.store.protocols import StoreError
from proxy.store.state import StoreState, require_usable

APPLICATION_ID: Final = 0x57617264
""""Ward", in the header of the file."""
CHECKED_WHOLE: Final = 64 * 1024 * 1024
"""Bytes up to which every page is checked at each start; for larger files that takes seconds."""


def prepare(path: Path) -> bytes:
    """Make the store at `path`, or migrate it to this schema, and return its seal key.

    Raises `StoreError`.
    """
    if not path.exists():
        _make_file(path)
    else:
        _require_content(path)
    _require_private(path)
    try:
        require_sound(path)
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            _migrate(db)
            state = state_of(db)
            require_usable(str(path), newest_schema(), state)
            return bytes(state["seal_key"])
    except sqlite3.DatabaseError as error:
        raise StoreError(f"store {path} cannot be used: {error}") from None


def state_of(db: sqlite3.Connection) -> dict[str, Any]:
    """What a store says of itself, whichever its schema. Raises sqlite3.DatabaseError."""
    (schema,) = db.execute("PRAGMA user_version").fetchone()
    found = db.execute("SELECT * FROM meta")
    names = [each[0] for each in found.description]
    return {"schema": schema, **dict(zip(names, found.fetchone(), strict=True))}


def newest_schema() -> int:
    """The newest schema that this program knows."""
    return max(_migrations())


def store_status(path: Path) -> StoreState:
    """What the store says of itself, also while it is in use. Raises `StoreError`."""
    require_no_folder(path)
    require_exists(path)
    try:
        with closing(sqlite3.connect(uri_of(path), uri=True)) as db:
            (application,) = db.execute("PRAGMA application_id").fetchone()
            if application != APPLICATION_ID:
                raise StoreError(f"{path} is a SQLite database, but not a store of Wardgate")
            state = state_of(db)
    except sqlite3.DatabaseError as error:
        raise StoreError(f"store {path} cannot be used: {error}") from None
    return StoreState(
        str(path),
        state["schema"],
        newest_schema(),
        state.get("min_schema"),
        state.get("store_id"),
        state["revision"],
        state.get("moved_to"),
    )


def inspect(path: Path) -> None:
    """Raises `StoreError` for what `prepare` would refuse, whether it is to make the store or to
    open it. Changes nothing."""
    require_no_folder(path)
    folder = path.parent
    if not path.exists():
        while not folder.exists():
            folder = folder.parent
    try:
        tempfile.TemporaryFile(dir=folder).close()  # it has no name
        if not path.exists():
            return
        os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC))
        _require_content(path)
        _require_private(path)
        require_sound(path)
    except OSError as error:
        where = path if path.exists() else folder
        raise StoreError(f"store {path}: cannot write {where}: {error.strerror}") from None
    except sqlite3.DatabaseError as error:
        raise StoreError(f"store {path} cannot be used: {error}") from None


def require_no_folder(path: Path) -> None:
    """Raises `StoreError` if `path` is something other than a file."""
    if path.is_dir():
        raise StoreError(f"store {path} is a folder: name the file in it that holds the store")
    if path.exists() and not path.is_file():
        raise StoreError(f"store {path} is not a regular file")


def require_exists(path: Path) -> None:
    """Raises `StoreError` if there is no file at `path`."""
    if not path.exists():
        raise StoreError(f"there is no store at {path}: run `wardgate init --config FILE` first")


def make_directory(path: Path) -> None:
    """Make the store's directory, with mode 0700. Raises `StoreError`."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make directory {path.parent}: {error.strerror}") from None


def _make_file(path: Path) -> None:
    """Make an empty file with mode 0600; SQLite gives its journals the same mode."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreError(f"cannot make store {path}: {error.strerror}") from None


def _require_content(path: Path) -> None:
    """Refuse an empty file. Raises `StoreError`."""
    if not path.stat().st_size:
        raise StoreError(f"store {path} is empty: remove the file, and run `wardgate init` again")


def _require_private(path: Path) -> None:
    """Refuse a store that anybody but its owner can read or replace. Raises `StoreError`."""
    for file in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))):
        if file.exists() and stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise StoreError(f"others can read store {file}: run `chmod 600 {file}`")
    if stat.S_IMODE(path.parent.stat().st_mode) & 0o022:
        raise StoreError(f"others can write to {path.parent}: run `chmod 700 {path.parent}`")


def require_sound(path: Path) -> None:
    """Refuse a file of another program or a newer schema, and a damaged one.

    Raises `StoreError`, sqlite3.DatabaseError.
    """
    with closing(sqlite3.connect(uri_of(path), uri=True)) as db:
        (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        (application,) = db.execute("PRAGMA application_id").fetchone()
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if application != APPLICATION_ID and (tables or application):
            raise StoreError(f"{path} is a SQLite database, but not a store of Wardgate")
        newest = newest_schema()
        if version > newest:
            raise StoreError(
                f"store {path} has schema {version}, this program knows up to {newest}: "
                "use the version of Wardgate that wrote it, or a later one"
            )
        if path.stat().st_size <= CHECKED_WHOLE:
            (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise StoreError(f"store {path} is damaged: {verdict.splitlines()[-1]}")


def uri_of(path: Path) -> str:
    """What SQLite opens to read the file and never to write it."""
    quoted = str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return f"file:{quoted}?mode=ro"


def _migrations() -> dict[int, str]:
    """Schema number → the SQL that migrates to it from the schema before."""
    folder = files("proxy.store.sqlite.migrations")
    return {
        int(file.name.removesuffix(".sql")): file.read_text("utf-8")
        for file in folder.iterdir()
        if file.name.endswith(".sql")
    }


def _migrate(db: sqlite3.Connection) -> None:
    """Run each missing migration in a transaction of its own: whole or not at all."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    for number, sql in sorted(_migrations().items()):
        if number <= version:
            continue
        db.execute("BEGIN IMMEDIATE")
        for statement in _statements(sql):
            db.execute(statement)
        if number == 1:
            db.execute("INSERT INTO meta VALUES (1, 0, ?)", (secrets.token_bytes(32),))
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {number}")
        db.execute("COMMIT")


def _statements(sql: str) -> Iterator[str]:
    """The statements of a script. (`executescript` would commit before it begins.)"""
    statement = ""
    for line in sql.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
