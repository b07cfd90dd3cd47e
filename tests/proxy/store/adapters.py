"""The adapters that the contract suite runs against. Another one is another line in `ADAPTERS`."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.support.postgres import shared_server


class Adapter(NamedTuple):
    """One kind of store, as the contract suite uses it."""

    name: str
    new_url: Callable[[Path], AbstractContextManager[str]]
    """From an empty folder, the URL of a store that does not exist yet. Leaving the context removes
    what the folder does not hold."""
    check_storage: Callable[[str], None]
    """Fails where the closed store at this URL is damaged."""


@contextmanager
def sqlite_url(folder: Path) -> Iterator[str]:
    """The URL of a SQLite file in a directory that does not exist yet."""
    yield f"sqlite:///{folder}/var/wardgate.db"


def sqlite_file(url: str) -> Path:
    """The file behind the URL of a SQLite store."""
    return Path(url.removeprefix("sqlite:///"))


def check_sqlite(url: str) -> None:
    """Have SQLite check every page of the file."""
    with closing(sqlite3.connect(sqlite_file(url))) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@contextmanager
def postgres_url(_folder: Path) -> Iterator[str]:
    """The URL of a new database of the server that all tests share."""
    yield shared_server().new_url()


def check_postgres(url: str) -> None:
    """Have PostgreSQL read every table."""
    shared_server().check(url)


ADAPTERS = (
    Adapter("sqlite", sqlite_url, check_sqlite),
    Adapter("postgres", postgres_url, check_postgres),
)
