"""Kill a node and its store while keys are made and deactivated: afterwards every acknowledged
change holds, none is there in part, the store is sound, and the audit log is whole.

Rounds are in turn those of one process and of a master, a keeper and two workers, which are all
killed at once. PostgreSQL is killed as well in two of three rounds, shortly before or after them.

`make killtest ROUNDS=50 STORE=both` runs so many rounds on SQLite and as many on PostgreSQL; the
suite runs a few.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any, Final, Literal

from proxy.domain.audit import FIRST_HASH, Actor, Entry, chain
from tests.installation import CONFIG, Installation
from tests.support.credentials import Credentials
from tests.support.postgres import server
from tests.support.processes import tries
from tests.support.stored import PostgresDatabase, Row, SqliteFile, Stored

CLIENTS: Final = 8
"""The number of connections that change keys at the same time."""
MOST: Final = 400
"""The most keys that are acknowledged in a round before the node is killed."""
DEACTIVATED: Final = 0.25
"""The share of keys that whoever made them deactivates."""

_HASH: Final = re.compile(rb"\$2b\$04\$[./A-Za-z0-9]{53}")
_STATE_AFTER: Final = {"key.create": "active", "key.deactivate": "inactive"}


class _Unavailable(Exception):
    """The store is gone."""


class Unsound(Exception):
    """Something that was acknowledged is lost, or something is incomplete."""


def require(holds: object, problem: str) -> None:
    """Raises `Unsound` with the problem where the condition does not hold."""
    if not holds:
        raise Unsound(problem)


@dataclass
class Made:
    """A key that was acknowledged."""

    resource: dict[str, Any]
    """Its `apikey`, with the secret."""
    state: Literal["active", "inactive", "unknown"] = "active"
    """What the last answer said; unknown where no answer came."""


class Victim:
    """A node that is killed, and the keys that it acknowledged."""

    def __init__(self, folder: Path, stored: Stored) -> None:
        """A new installation over a store, without an access log."""
        cluster = {"name": "a", "lease": 5, "beat": 0.5, "run_directory": "run"}
        given: dict[str, Any] = {"store": stored.url, "cluster": cluster}
        self.here = Installation(folder, access_log="off", **given)
        self.stored = stored
        self.acknowledged: list[Made] = []
        self.fresh: list[Made] = []
        """Those that were not presented yet."""
        self._refused: list[Unsound] = []
        self._workers = cycle((1, 2))

    @contextmanager
    def serving(self) -> Iterator[subprocess.Popen[str]]:
        """The node and its store, while the context lasts; with workers at every other time."""
        self.stored.start()
        file = self.here.folder / CONFIG
        config = json.loads(file.read_text()) | {"workers": next(self._workers)}
        file.write_text(json.dumps(config))
        with self.here.serving() as process:
            yield process

    def connect(self) -> closing[http.client.HTTPConnection]:
        """A connection to the admin server, as a context."""
        return closing(http.client.HTTPConnection("127.0.0.1", self.here.api, timeout=30))

    def ask(
        self,
        connection: http.client.HTTPConnection,
        credentials: Credentials,
        method: str = "GET",
        path: str = "?limit=1",
    ) -> tuple[int, Any]:
        """(status, JSON) of a request for the keys, or with POST for a new key."""
        headers = {"Authorization": credentials.authorization}
        connection.request(method, f"/v2-beta/apikeys{path}", headers=headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    def change(self) -> None:
        """Make keys, and deactivate some of them, until the node or its store is gone."""
        try:
            with self.connect() as connection:
                while True:
                    self._make(connection)
        except (OSError, http.client.HTTPException, ValueError, _Unavailable):
            pass  # killed, perhaps in the middle of an answer
        except Unsound as unsound:
            self._refused.append(unsound)

    def _make(self, connection: http.client.HTTPConnection) -> None:
        key = self._changed(connection, 201, "?limit=1")
        made = Made(key)
        self.fresh.append(made)
        if random.random() < DEACTIVATED:
            made.state = "unknown"
            self._changed(connection, 202, f"/{key['id']}/?action=deactivate")
            made.state = "inactive"

    def _changed(
        self, connection: http.client.HTTPConnection, wanted: int, path: str
    ) -> dict[str, Any]:
        status, answer = self.ask(connection, self.here.admin, "POST", path)
        if status == 503:
            raise _Unavailable
        require(status == wanted, f"a change was answered {status}")
        return dict(answer)

    def killed(self, process: subprocess.Popen[str], after: int) -> None:
        """Let clients change keys, and kill everything once `after` keys were acknowledged."""
        clients = [threading.Thread(target=self.change, daemon=True) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        while len(self.fresh) < after and any(client.is_alive() for client in clients):
            clients[0].join(0.001)
        stored = self.stored.kills if random.randint(0, 2) else []
        kills = [lambda: kill(process), *stored]
        for each in random.sample(kills, len(kills)):
            each()
        for client in clients:
            client.join(60)
        if self._refused:
            raise self._refused[0]
        require(len(self.fresh) >= after, "the node stopped making keys before it was killed")
        self.acknowledged += self.fresh

    def check(self) -> int:
        """Check everything while the node runs again; the number of keys in the store.

        Raises `Unsound`.
        """
        with self.connect() as connection:
            for made in self.fresh:
                key = made.resource
                status, _ = self.ask(connection, Credentials.of(key))
                wanted = {"active": {200}, "inactive": {401}, "unknown": {200, 401}}[made.state]
                told = f"{key['id']} was acknowledged as {made.state} and is answered {status}"
                require(status in wanted, told)
        self.fresh = []
        damage = self.stored.damage()
        require(damage is None, f"the store is damaged: {damage}")
        keys = {f"1c{row['id']}": row for row in self.stored.rows("keys", "id")}
        for made in self.acknowledged:
            key = made.resource
            row = keys.get(key["id"])
            require(row and row["access_key"] == key["publicValue"], f"{key['id']} is not stored")
            state = keys[key["id"]]["state"]
            require(made.state in {state, "unknown"}, f"{key['id']} is stored as {state}")
        states = audited(self.stored.rows("audit", "sequence"), keys)
        missing = sorted(keys.keys() - states.keys())
        require(not missing, f"stored, but not in the audit log: {missing}")
        for ref, row in keys.items():
            require(_HASH.fullmatch(row["secret_hash"]), f"{ref} is incomplete")
            require(row["state"] == states[ref], f"{ref} is {row['state']}, not {states[ref]}")
        return len(keys)


def kill(master: subprocess.Popen[str]) -> None:
    """Kill a process and all of its children, and wait until they are gone."""
    listed = Path(f"/proc/{master.pid}/task/{master.pid}/children").read_text()
    children = [int(each) for each in listed.split()]
    master.kill()
    for each in children:
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
    master.wait()
    for _ in tries():
        if not any(map(is_running, children)):
            return
    raise TimeoutError


def is_running(pid: int) -> bool:
    """Whether a process has not ended, whoever has still to be told."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return fields[0] != "Z"


def audited(rows: list[Row], keys: dict[str, Row]) -> dict[str, str]:
    """The state of each key that the audit log knows. Raises `Unsound` where the log is broken, or
    has a key that is not stored."""
    states = {}
    previous = FIRST_HASH
    for number, (entry, digest) in enumerate(map(entry_of, rows), 1):
        previous = chain(previous, number, entry)
        require(digest == previous, f"the audit log is broken at {number}")
        if entry.action == "key.create":
            row = keys.get(entry.subject)
            logged = (entry.after or {}).get("access_key")
            told = f"{entry.subject} is in the audit log, but is not stored"
            require(row and row["access_key"] == logged, told)
        if entry.action in _STATE_AFTER:
            states[entry.subject] = _STATE_AFTER[entry.action]
    return states


def entry_of(row: Row) -> tuple[Entry, str]:
    """(an entry of the audit log, its hash) from a row of the store."""
    actor = Actor(row["account"], row["key"], row["address"], row["request_id"])
    before, after = (json.loads(row[side]) if row[side] else None for side in ("before", "after"))
    return Entry(row["time"], actor, row["act"], row["subject"], before, after), row["hash"]


def rounds(victim: Victim, number: int, most: int = MOST) -> Iterator[tuple[int, int]]:
    """Kill everything `number` times, each time after 1 to `most` new keys, and check it once it
    runs again: (keys acknowledged by then, keys in the store). Raises `Unsound`."""
    for _ in range(number):
        with victim.serving() as process:
            if victim.acknowledged:
                yield len(victim.acknowledged), victim.check()
            victim.killed(process, random.randint(1, most))
    with victim.serving():
        yield len(victim.acknowledged), victim.check()


@contextmanager
def sqlite(folder: Path) -> Iterator[Victim]:
    """A node over a SQLite file."""
    yield Victim(folder, SqliteFile(folder))


@contextmanager
def postgres(folder: Path) -> Iterator[Victim]:
    """A node over PostgreSQL."""
    with server() as made:
        yield Victim(folder, PostgresDatabase(made))


STORES: Final[dict[str, Callable[[Path], AbstractContextManager[Victim]]]] = {
    "sqlite": sqlite,
    "postgres": postgres,
}


def run(store: str, number: int) -> None:
    """Run so many rounds on a store. Where one is unsound, keep the folder and exit 1."""
    folder = Path(tempfile.mkdtemp(prefix="wardgate-killtest-"))
    print(f"{store}: killing it {number} times amid changes, in {folder}", flush=True)
    done = 0
    try:
        with STORES[store](folder) as victim:
            for done, (acknowledged, stored) in enumerate(rounds(victim, number), 1):
                ended = sum(each.state == "inactive" for each in victim.acknowledged)
                print(
                    f"{done}/{number}: {acknowledged} keys acknowledged, all work but {ended} that "
                    f"were deactivated; {stored} stored, all whole; the audit log is whole",
                    flush=True,
                )
    except Unsound as unsound:
        sys.exit(f"{done + 1}/{number}: {unsound}; the folder is kept")
    if done != number:
        sys.exit(f"only {done} of {number} rounds were run")
    shutil.rmtree(folder)


def main() -> None:
    """Run as many rounds as asked for."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--store", choices=[*STORES, "both"], default="both")
    given = parser.parse_args()
    for store in STORES if given.store == "both" else [given.store]:
        run(store, given.rounds)


if __name__ == "__main__":
    main()
