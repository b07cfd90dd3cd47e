"""Send mutants through the gateway to an origin, and compare what it saw with the access log.

`python -m tests.garden.run [--seed N] [--count N] [ORIGIN ...]` prints a table. The key of a mutant
belongs to environment `a`, or to a user who is a member of `a` alone. Whatever a mutant is, the
origin must see the requests that the gateway passed on, each once, with their methods, targets and
bodies, and none of another environment.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from proxy.gateway.repeat import Repeat
from tests.garden.mutants import Mutant, Mutator
from tests.garden.origins import NAMES, origin
from tests.garden.seen import environment_of
from tests.harness import Pair, World, running_world
from tests.patience import PATIENCE

QUIET = 0.3
"""Seconds without an answer after which the client ends its side: some mutants lack their end."""
WITHOUT_BODIES = frozenset({"http.server", "http.server-deaf", "wsgiref"})
"""Origins that do not read chunked bodies, nor all bodies of a GET; the second reads none."""
ROUTES = [
    {"path": "/v1/projects/{environment}/**"},
    {"path": "/v2-beta/projects/{environment}/**", "allow": ["%2F", "%25", ";", "|", "{"]},
    {"path": "/**", "access": "account"},
]
AT_ONCE = 8
"""The number of mutants that are sent at the same time."""


@dataclass
class Outcome:
    """The counts and the faults of a run."""

    mutants: int = 0
    answers: Counter[int] = field(default_factory=Counter)
    """The number of answers by status."""
    seen: int = 0
    """The number of requests that the origin saw."""
    repeated: int = 0
    """How many requests were sent by a `Repeat`."""
    faults: list[str] = field(default_factory=list)
    """Where the origin and the gateway disagree."""
    seconds: float = 0.0


@dataclass
class Sent:
    """A mutant, and the key that it was sent with."""

    mutant: Mutant
    pair: Pair


class Run:
    """Mutants that are sent through one gateway to one origin."""

    def __init__(self, world: World, journal: Path, mutator: Mutator, unread: int | None) -> None:
        """`unread`: the length that the origin notes for a body it does not read; None: it reads
        all bodies."""
        self._gateway = world
        self._unread = unread
        self._journal = journal
        self._mutator = mutator
        self._by_id: dict[str, Sent] = {}
        self.outcome = Outcome()

    async def send(self, count: int) -> None:
        """Send `count` mutants, then compare the journal with the access log."""
        started = time.monotonic()
        left = iter(range(count))

        async def work() -> None:
            for number in left:
                await self._send(self._gateway.user if number % 4 == 0 else self._gateway.key_a)

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        self._compare(await self._whole_journal())
        self.outcome.seconds = time.monotonic() - started

    async def _send(self, pair: Pair) -> None:
        sent = Sent(self._mutator.mutant(pair.basic), pair)
        self.outcome.mutants += 1
        reader, writer = await asyncio.open_connection("127.0.0.1", self._gateway.port)
        received = b""
        try:
            for each in sent.mutant.before:
                writer.write(each)
                received += await asyncio.wait_for(_answer(reader), PATIENCE)
            writer.write(sent.mutant.sent)
            while True:
                try:
                    data = await asyncio.wait_for(reader.read(65536), QUIET)
                except TimeoutError:
                    if not writer.can_write_eof() or reader.at_eof():
                        break
                    writer.write_eof()
                    data = await asyncio.wait_for(reader.read(65536), PATIENCE)
                if not data:
                    break
                received += data
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except TimeoutError:
            self._fault("no answer", sent)
        finally:
            writer.close()
        self._note_answers(sent, received)

    def _note_answers(self, sent: Sent, received: bytes) -> None:
        """Count the answers; the upstream's part of each must be of the request with its id."""
        for answer in re.split(rb"(?=HTTP/1\.1 \d{3} )", received)[1:]:
            self.outcome.answers[int(answer[9:12])] += 1
            marked = re.search(rb"\r\nX-Request-Id: (\S+)\r\n", answer)
            if marked is None:
                continue  # an interim answer
            self._by_id[marked[1].decode()] = sent
            inner = re.search(rb'"id": ?"([^"]+)"', answer)
            if inner and inner[1] != marked[1]:
                self._fault("an answer of another request", sent, answer)

    async def _whole_journal(self) -> list[dict[str, Any]]:
        """The journal, once it has all requests to which the origin's answer has come."""
        answered = {
            line["id"] for line in self._gateway.log() if line["status"] == 200 and line["out"]
        }
        noted: list[dict[str, Any]] = []
        for _ in range(PATIENCE * 10):
            await asyncio.sleep(0.1)
            lines = self._journal.read_bytes().splitlines()
            noted = [json.loads(line) for line in lines if line.startswith(b"{")]
            if answered <= {line["id"] for line in noted}:
                break
        return noted

    def _compare(self, noted: list[dict[str, Any]]) -> None:
        """Compare the journal with the access log."""
        passed = {line["id"]: line for line in self._gateway.log() if "reason" not in line}
        log = {line["id"]: line for line in self._gateway.log()}
        self.outcome.seen = len(noted)
        times = Counter(line["id"] for line in noted)
        for line in noted:
            entry = log.get(line["id"])
            sent = self._by_id.get(line["id"] or "")
            if entry is None:
                self._fault("a request that the gateway did not pass", sent, line)
            elif times[line["id"]] > 1 + entry.get("retried", False):
                self._fault("a request twice", sent, line)
            else:
                self._judge(line, entry, sent)
        for request_id, entry in passed.items():
            if entry["status"] == 200 and entry["out"] and request_id not in times:
                sent = self._by_id.get(request_id)
                self._fault("an answer to a request that it did not see", sent, entry)

    def _judge(self, line: dict[str, Any], entry: dict[str, Any], sent: Sent | None) -> None:
        environment = environment_of(unquote(line["path"]))
        path = line["target"].partition("?")[0] or line["path"]  # WSGI has no target
        faults = {
            "another method": line["method"] != entry["method"],
            "another target": path not in {entry["path"], unquote(entry["path"])},
            "another environment": environment not in {"a", entry.get("environment")},
            "another length": line["length"] not in {entry["in"], self._unread},
            "a forged field": "forged" in str(line),
            "credentials": bool(line["authorization"]),
            "no identity": not line["key"] or not line["role"],
            "another host": not str(line["host"]).startswith("127.0.0.1:"),
        }
        if sent is not None:
            faults["another key"] = line["key"] != sent.pair.key.access_key
            body = sent.mutant.bodies.get(line["nonce"] or "")
            if body is not None and entry["status"] == 200:
                digest = hashlib.sha256(body[: line["length"]]).hexdigest()
                faults["another body"] = digest != line["hash"]
        for name, is_so in faults.items():
            if is_so:
                self._fault(name, sent, line, entry)

    def _fault(self, name: str, sent: Sent | None, *evidence: object) -> None:
        raw = sent.mutant.sent if sent else None
        self.outcome.faults.append(f"{name}: {evidence}\n    sent: {raw!r}")


async def _answer(reader: asyncio.StreamReader) -> bytes:
    """The next answer on a connection. Raises `IncompleteReadError` where there is none."""
    head = await reader.readuntil(b"\r\n\r\n")
    if head.startswith(b"HTTP/1.1 1"):
        return head + await _answer(reader)
    length = re.search(rb"\r\nContent-Length: (\d+)\r\n", head)
    if length:
        return head + await reader.readexactly(int(length[1]))
    if b"\r\nTransfer-Encoding: chunked\r\n" not in head:
        return head
    while (line := await reader.readuntil(b"\r\n")) != b"0\r\n":
        head += line + await reader.readexactly(int(line, 16) + 2)
    return head + line + await reader.readexactly(2)


@contextmanager
def repeats() -> Iterator[Counter[bool]]:
    """How many requests were sent by a `Repeat`, and how many were not although there was one."""
    counted: Counter[bool] = Counter()
    begin = Repeat.begin

    def noted(self: Repeat, data: bytes) -> bool:
        begun = begin(self, data)
        counted[begun] += 1
        return begun

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Repeat, "begin", noted)
        yield counted


async def outcome_of(name: str, folder: Path, seed: int, count: int) -> Outcome:
    """Send the first `count` mutants of `seed` through a gateway to the origin `name`."""
    home, gateway_home = folder / "origin", folder / "gateway"
    home.mkdir()
    gateway_home.mkdir()
    for path in (home, *home.parents[:2]):
        path.chmod(0o755)  # some origins run as another user
    with origin(name, home) as (port, journal):
        dial = {"url": f"http://127.0.0.1:{port}"}
        async with running_world(gateway_home, dial=dial, routes=ROUTES) as world:
            unread = 0 if name in WITHOUT_BODIES else None
            run = Run(world, journal, Mutator(seed), unread)
            with repeats() as counted:
                await run.send(count)
            run.outcome.repeated = counted[True]
    return run.outcome


def main() -> None:
    """Send mutants to each origin, and print a row for each."""
    parser = argparse.ArgumentParser(prog="make garden")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--count", type=int, default=5000, help="mutants for each origin")
    parser.add_argument("origins", nargs="*", metavar="ORIGIN", help=", ".join(NAMES))
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}, {chosen.count} mutants for each origin")
    titles = ("mutants", "passed", "seen", "repeated", "refused")
    print(f"{'origin':18}", *(f"{title:>8}" for title in titles), f"{'s':>6}  faults")
    faults = 0
    for name in chosen.origins or NAMES:
        with tempfile.TemporaryDirectory(prefix="garden-") as folder:
            outcome = asyncio.run(outcome_of(name, Path(folder), chosen.seed, chosen.count))
        passed = outcome.answers[200]
        refused = sum(outcome.answers.values()) - passed
        figures = (outcome.mutants, passed, outcome.seen, outcome.repeated, refused)
        print(
            f"{name:18}",
            *(f"{figure:8}" for figure in figures),
            f"{outcome.seconds:6.1f}  {len(outcome.faults)}",
            dict(sorted(outcome.answers.items())),
            flush=True,
        )
        faults += len(outcome.faults)
        for fault in outcome.faults[:5]:
            print("   ", fault[:4000])
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
