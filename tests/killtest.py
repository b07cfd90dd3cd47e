"""Kill -9 amid creations, again and again: every acknowledged key works afterwards, none is half
made, the file is sound and the audit log is whole.

`make killtest ROUNDS=50` runs it for long; the suite runs a few rounds.
"""

from __future__ import annotations

import base64
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
from tests.programs import WARDGATE, free_port, running, wardgate

CLIENTS: Final = 8
"""Connections that create at once."""
MOST: Final = 400
"""Keys that are acknowledged in a round, at most, before the kill."""

_HASH: Final = re.compile(rb"\$2b\$04\$[./A-Za-z0-9]{53}")


class Unsound(Exception):
    """Something that was acknowledged is gone, or something is there by half."""


def demand(holds: object, what: str) -> None:
    """Raises `Unsound`."""
    if not holds:
        raise Unsound(what)


@dataclass
class Victim:
    """An installation whose server is killed, and what it acknowledged."""

    folder: Path
    port: int = field(default_factory=free_port)
    gateway: int = field(default_factory=free_port)
    acknowledged: list[dict[str, Any]] = field(default_factory=list)
    """Keys as they were answered."""
    fresh: int = 0
    """How many of them nobody has presented yet."""
    admin: str = ""

    def __post_init__(self) -> None:
        self.folder.chmod(0o700)
        config = {
            "listen": f"127.0.0.1:{self.gateway}",
            "upstream": f"http://127.0.0.1:{free_port()}",
            "store": "sqlite:///var/wardgate.db",
            "bcrypt_rounds": 4,
            "access_log": "off",
            "admin": {"listen": f"127.0.0.1:{self.port}"},
        }
        (self.folder / "wardgate.yaml").write_text(json.dumps(config))
        made = wardgate("init", "-c", "wardgate.yaml", "--output", "json", cwd=self.folder)
        key = json.loads(made.stdout)
        self.admin = f"{key['publicValue']}:{key['secretValue']}"

    @property
    def store(self) -> Path:
        """The store's file."""
        return self.folder / "var" / "wardgate.db"

    def ask(
        self, connection: http.client.HTTPConnection, pair: str, method: str = "GET"
    ) -> tuple[int, Any]:
        """Ask for the keys, or with POST for a new one: status and JSON."""
        basic = base64.b64encode(pair.encode()).decode()
        headers = {"Authorization": f"Basic {basic}"}
        connection.request(method, "/v2-beta/apikeys?limit=1", headers=headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    def create(self) -> None:
        """Create keys until the server is gone."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            try:
                while True:
                    status, key = self.ask(connection, self.admin, "POST")
                    demand(status == 201, f"a creation was answered {status}")
                    self.acknowledged.append(key)
                    self.fresh += 1
            except (OSError, http.client.HTTPException, ValueError):
                return  # killed, perhaps in the middle of an answer

    def killed(self, process: subprocess.Popen[str], after: int) -> None:
        """Let clients create, and kill the server once so many were acknowledged."""
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
        demand(len(self.acknowledged) >= goal, "the server stopped creating before it was killed")

    def check(self) -> int:
        """With the server up again, look at everything. The number of keys that are stored."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            for key in self.acknowledged[len(self.acknowledged) - self.fresh :]:
                status, _ = self.ask(connection, f"{key['publicValue']}:{key['secretValue']}")
                demand(status == 200, f"{key['id']} was acknowledged and is answered {status}")
        self.fresh = 0
        with closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)) as database:
            database.row_factory = sqlite3.Row
            (verdict,) = database.execute("PRAGMA integrity_check").fetchone()
            demand(verdict == "ok", f"the store is damaged: {verdict}")
            keys = {f"1c{row['id']}": row for row in database.execute("SELECT * FROM keys")}
            audit = database.execute("SELECT * FROM audit ORDER BY sequence").fetchall()
        for key in self.acknowledged:
            row = keys.get(key["id"])
            demand(row and row["access_key"] == key["publicValue"], f"{key['id']} is not stored")
        previous = FIRST_HASH
        created = set()
        for number, (entry, digest) in enumerate(map(entry_of, audit), 1):
            previous = chain(previous, number, entry)
            demand(digest == previous, f"the audit log is broken at {number}")
            if entry.action == "key.create":
                created.add(entry.subject)
                told = (entry.after or {}).get("access_key")
                row = keys.get(entry.subject)
                demand(row and row["access_key"] == told, f"{entry.subject} is told, not stored")
        demand(created == keys.keys(), f"stored, not told: {sorted(keys.keys() - created)}")
        for ref, row in keys.items():
            whole = _HASH.fullmatch(row["secret_hash"]) and row["state"] == "active"
            demand(whole, f"{ref} is half made")
        return len(keys)


def entry_of(row: sqlite3.Row) -> tuple[Entry, str]:
    """An entry of the audit log as it is stored, and its hash."""
    actor = Actor(row["account"], row["key"], row["address"], row["request_id"])
    before, after = (json.loads(row[side]) if row[side] else None for side in ("before", "after"))
    return Entry(row["time"], actor, row["act"], row["subject"], before, after), row["hash"]


def rounds(victim: Victim, number: int, most: int = MOST) -> Iterator[tuple[int, int]]:
    """Kill the server so many times, and check each time once it is up again: how many keys were
    acknowledged by then, and how many are stored. Raises `Unsound`."""
    folder = victim.folder
    command = [*WARDGATE, "serve", "-c", "wardgate.yaml"]
    for _ in range(number):
        with running(command, victim.port, folder) as process:
            if victim.acknowledged:
                yield len(victim.acknowledged), victim.check()
            victim.killed(process, random.randint(1, most))
    with running(command, victim.port, folder):
        yield len(victim.acknowledged), victim.check()


def main() -> None:
    """The command: rounds are its argument. Exits 1, and keeps the folder, where one is unsound."""
    number = int(sys.argv[1])
    folder = Path(tempfile.mkdtemp(prefix="wardgate-killtest-"))
    print(f"killing the server {number} times amid creations, in {folder}", flush=True)
    done = 0
    try:
        for done, (acknowledged, stored) in enumerate(rounds(Victim(folder), number), 1):
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
