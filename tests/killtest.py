"""Kill the server with SIGKILL while keys are created: afterwards every acknowledged key works, no
key is incomplete, the store's file is sound, and the audit log is whole.

`make killtest ROUNDS=50` runs many rounds; the suite runs a few.
"""

from __future__ import annotations

import http.client
import json
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from proxy.domain.audit import FIRST_HASH, Actor, Entry, chain
from tests.installation import Installation
from tests.support.credentials import Credentials

CLIENTS: Final = 8
"""The number of connections that create keys at the same time."""
MOST: Final = 400
"""The most keys that are acknowledged in a round before the server is killed."""

_HASH: Final = re.compile(rb"\$2b\$04\$[./A-Za-z0-9]{53}")


class Unsound(Exception):
    """Something that was acknowledged is lost, or something is incomplete."""


def require(holds: object, problem: str) -> None:
    """Raises `Unsound` with the problem where the condition does not hold."""
    if not holds:
        raise Unsound(problem)


@dataclass
class Victim:
    """An installation whose server is killed, and the keys that it acknowledged."""

    here: Installation
    acknowledged: list[dict[str, Any]] = field(default_factory=list)
    """The `apikey` resources, with their secrets."""
    fresh: int = 0
    """How many of them were not presented yet."""

    @classmethod
    def in_folder(cls, folder: Path) -> Victim:
        """A new installation, without an access log."""
        return cls(Installation(folder, access_log="off"))

    @property
    def store(self) -> Path:
        """The store's file."""
        return self.here.folder / "var" / "wardgate.db"

    def connect(self) -> closing[http.client.HTTPConnection]:
        """A connection to the admin server, as a context."""
        return closing(http.client.HTTPConnection("127.0.0.1", self.here.api, timeout=30))

    def ask(
        self,
        connection: http.client.HTTPConnection,
        credentials: Credentials,
        method: str = "GET",
    ) -> tuple[int, Any]:
        """(status, JSON) of a request for the keys, or with POST for a new key."""
        headers = {"Authorization": credentials.authorization}
        connection.request(method, "/v2-beta/apikeys?limit=1", headers=headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    def create(self) -> None:
        """Create keys until the server is gone."""
        with self.connect() as connection:
            try:
                while True:
                    status, key = self.ask(connection, self.here.admin, "POST")
                    require(status == 201, f"a creation was answered {status}")
                    self.acknowledged.append(key)
                    self.fresh += 1
            except (OSError, http.client.HTTPException, ValueError):
                return  # killed, perhaps in the middle of an answer

    def killed(self, process: subprocess.Popen[str], after: int) -> None:
        """Let clients create keys, and kill the server once it has acknowledged `after` of them."""
        goal = len(self.acknowledged) + after
        clients = [threading.Thread(target=self.create, daemon=True) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        while len(self.acknowledged) < goal and any(client.is_alive() for client in clients):
            clients[0].join(0.001)
        process.kill()
        process.wait()
        for client in clients:
            client.join(60)
        require(len(self.acknowledged) >= goal, "the server stopped creating before it was killed")

    def check(self) -> int:
        """Check everything while the server runs again; the number of keys in the store.

        Raises `Unsound`.
        """
        with self.connect() as connection:
            for key in self.acknowledged[len(self.acknowledged) - self.fresh :]:
                status, _ = self.ask(connection, Credentials.of(key))
                require(status == 200, f"{key['id']} was acknowledged and is answered {status}")
        self.fresh = 0
        with closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)) as database:
            database.row_factory = sqlite3.Row
            (verdict,) = database.execute("PRAGMA integrity_check").fetchone()
            require(verdict == "ok", f"the store is damaged: {verdict}")
            keys = {f"1c{row['id']}": row for row in database.execute("SELECT * FROM keys")}
            audit = database.execute("SELECT * FROM audit ORDER BY sequence").fetchall()
        for key in self.acknowledged:
            row = keys.get(key["id"])
            require(row and row["access_key"] == key["publicValue"], f"{key['id']} is not stored")
        previous = FIRST_HASH
        created = set()
        for number, (entry, digest) in enumerate(map(entry_of, audit), 1):
            previous = chain(previous, number, entry)
            require(digest == previous, f"the audit log is broken at {number}")
            if entry.action == "key.create":
                created.add(entry.subject)
                logged = (entry.after or {}).get("access_key")
                row = keys.get(entry.subject)
                require(
                    row and row["access_key"] == logged,
                    f"{entry.subject} is in the audit log, but is not stored",
                )
        missing = sorted(keys.keys() - created)
        require(created == keys.keys(), f"stored, but not in the audit log: {missing}")
        for ref, row in keys.items():
            whole = _HASH.fullmatch(row["secret_hash"]) and row["state"] == "active"
            require(whole, f"{ref} is incomplete")
        return len(keys)


def entry_of(row: sqlite3.Row) -> tuple[Entry, str]:
    """(an entry of the audit log, its hash) from a row of the store."""
    actor = Actor(row["account"], row["key"], row["address"], row["request_id"])
    before, after = (json.loads(row[side]) if row[side] else None for side in ("before", "after"))
    return Entry(row["time"], actor, row["act"], row["subject"], before, after), row["hash"]


def rounds(victim: Victim, number: int, most: int = MOST) -> Iterator[tuple[int, int]]:
    """Kill the server `number` times, each time after 1 to `most` new keys, and check everything
    once it runs again: (keys acknowledged by then, keys in the store). Raises `Unsound`."""
    for _ in range(number):
        with victim.here.serving() as process:
            if victim.acknowledged:
                yield len(victim.acknowledged), victim.check()
            victim.killed(process, random.randint(1, most))
    with victim.here.serving():
        yield len(victim.acknowledged), victim.check()


def main() -> None:
    """Run as many rounds as the argument says. Where one is unsound, keep the folder and exit 1."""
    number = int(sys.argv[1])
    folder = Path(tempfile.mkdtemp(prefix="wardgate-killtest-"))
    print(f"killing the server {number} times amid creations, in {folder}", flush=True)
    done = 0
    try:
        for done, (acknowledged, stored) in enumerate(rounds(Victim.in_folder(folder), number), 1):
            print(
                f"{done}/{number}: {acknowledged} keys acknowledged, all work; "
                f"{stored} stored, all whole; the audit log is whole",
                flush=True,
            )
    except Unsound as unsound:
        sys.exit(f"{done + 1}/{number}: {unsound}; the folder is kept")
    if done != number:
        sys.exit(f"only {done} of {number} rounds were run")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
