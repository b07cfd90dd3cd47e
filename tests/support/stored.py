"""What a store holds, as its database tells it: read without the program, and killed like it."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

from tests.support.postgres import Server

Row = dict[str, Any]


class Stored(Protocol):
    """The database under a store."""

    url: str

    def rows(self, table: str, order: str) -> list[Row]:
        """All rows of a table, in the order of a column."""

    def damage(self) -> str | None:
        """What is wrong with the database itself, if anything is."""

    @property
    def kills(self) -> list[Callable[[], None]]:
        """What of it can be killed."""

    def start(self) -> None:
        """Have it run after a kill."""


class SqliteFile:
    """The store is a file, which nobody can kill."""

    url = "sqlite:///var/wardgate.db"
    kills: list[Callable[[], None]] = []

    def __init__(self, folder: Path) -> None:
        """`folder`: where the server runs."""
        self.path = folder / "var" / "wardgate.db"

    def rows(self, table: str, order: str) -> list[Row]:
        with closing(self._open()) as database:
            database.row_factory = sqlite3.Row
            asked = database.execute(f"SELECT * FROM {table} ORDER BY {order}")
            return [dict(row) for row in asked]

    def damage(self) -> str | None:
        with closing(self._open()) as database:
            (verdict,) = database.execute("PRAGMA integrity_check").fetchone()
        return None if verdict == "ok" else str(verdict)

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)

    def start(self) -> None:
        """Nothing has to run."""


class PostgresDatabase:
    """The store is a database of a server, which may crash as well."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.url = server.new_url()
        self._database = self.url.removeprefix("postgresql://postgres@/").partition("?")[0]
        self.kills: list[Callable[[], None]] = [self._crash]
        self._runs = True

    def rows(self, table: str, order: str) -> list[Row]:
        ordered = f"SELECT * FROM wardgate.{table} ORDER BY {order}"
        lines = self._server.sql(f"SELECT row_to_json(t) FROM ({ordered}) t", self._database)
        return [
            {name: _value(each) for name, each in json.loads(line).items()}
            for line in lines.splitlines()
        ]

    def damage(self) -> str | None:
        try:
            self._server.check(self.url)
        except subprocess.CalledProcessError as error:
            return str(error.stderr)
        return None

    def _crash(self) -> None:
        self._server.stop(signal.SIGQUIT)
        self._runs = False

    def start(self) -> None:
        if not self._runs:
            self._server.start()
            self._runs = True


def _value(told: Any) -> Any:
    """Of a column, from its JSON, where bytes are a text of their own kind."""
    if isinstance(told, str) and told.startswith("\\x"):
        return bytes.fromhex(told[2:])
    return told
