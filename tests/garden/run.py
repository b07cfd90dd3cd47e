"""Send mutants through the gateway to an origin, and compare what it saw with what the gateway let
pass.

`python -m tests.garden.run [--seed N] [--count N] [ORIGIN ...]` prints a table. The key of a mutant
belongs to environment `a`, or to a user who is a member of `a` alone. Whatever it sends, the origin
must see the requests that the gateway passed, each once, with their methods, targets and bodies,
and none of another environment."""

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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from tests.garden.mutants import Mutant, Nursery
from tests.garden.origins import NAMES, origin
from tests.garden.seen import environment_of
from tests.harness import Pair, World, running_world
from tests.patience import PATIENCE

QUIET = 0.3
"""Seconds of silence after which a mutant is taken for one that lacks its end."""
HEEDLESS = frozenset({"http.server", "wsgiref"})
"""Origins that read no chunked body, and perhaps none of a GET."""
ROUTES = [
    {"path": "/v1/projects/{environment}/**"},
    {"path": "/v2-beta/projects/{environment}/**", "allow": ["%2F", "%25", ";"]},
    {"path": "/**", "access": "account"},
]
AT_ONCE = 8
"""Mutants under way at a time."""


@dataclass
class Harvest:
    """What came of a run."""

    mutants: int = 0
    answers: Counter[int] = field(default_factory=Counter)
    """By status."""
    seen: int = 0
    """Requests that the origin took for requests."""
    wrongs: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass
class Sent:
    """A mutant, and whose it was."""

    mutant: Mutant
    pair: Pair


class Garden:
    """One gateway in front of one origin."""

    def __init__(self, world: World, journal: Path, nursery: Nursery, unread: int | None) -> None:
        """`unread`: the length of a body that the origin does not read, if there are such."""
        self._gateway = world
        self._unread = unread
        self._journal = journal
        self._nursery = nursery
        self._by_id: dict[str, Sent] = {}
        self.harvest = Harvest()

    async def grow(self, count: int) -> None:
        """Send `count` mutants, then look at everything that came of them."""
        started = time.monotonic()
        left = iter(range(count))

        async def work() -> None:
            for number in left:
                await self._send(self._gateway.user if number % 4 == 0 else self._gateway.key_a)

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        self._compare(await self._noted())
        self.harvest.seconds = time.monotonic() - started

    async def _send(self, pair: Pair) -> None:
        sent = Sent(self._nursery.mutant(pair.basic), pair)
        self.harvest.mutants += 1
        reader, writer = await asyncio.open_connection("127.0.0.1", self._gateway.port)
        said = b""
        try:
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
                said += data
        except ConnectionError:
            pass
        except TimeoutError:
            self._wrong("no answer", sent)
        finally:
            writer.close()
        self._take(sent, said)

    def _take(self, sent: Sent, said: bytes) -> None:
        """Note the answers; each must be of the request whose id it bears."""
        for answer in re.split(rb"(?=HTTP/1\.1 \d{3} )", said)[1:]:
            self.harvest.answers[int(answer[9:12])] += 1
            marked = re.search(rb"\r\nX-Request-Id: (\S+)\r\n", answer)
            if marked is None:
                continue  # an interim answer
            self._by_id[marked[1].decode()] = sent
            inner = re.search(rb'"id": ?"([^"]+)"', answer)
            if inner and inner[1] != marked[1]:
                self._wrong("an answer of another request", sent, answer)

    async def _noted(self) -> list[dict[str, Any]]:
        """The journal, once it has all that it will have."""
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
        """The journal against the access log."""
        passed = {line["id"]: line for line in self._gateway.log() if "reason" not in line}
        log = {line["id"]: line for line in self._gateway.log()}
        self.harvest.seen = len(noted)
        times = Counter(line["id"] for line in noted)
        for line in noted:
            entry = log.get(line["id"])
            sent = self._by_id.get(line["id"] or "")
            if entry is None:
                self._wrong("a request that the gateway did not pass", sent, line)
            elif times[line["id"]] > 1 + entry.get("retried", False):
                self._wrong("a request twice", sent, line)
            else:
                self._judge(line, entry, sent)
        for request_id, entry in passed.items():
            if entry["status"] == 200 and entry["out"] and request_id not in times:
                self._wrong("an answer to nothing that it saw", self._by_id.get(request_id), entry)

    def _judge(self, line: dict[str, Any], entry: dict[str, Any], sent: Sent | None) -> None:
        environment = environment_of(unquote(line["path"]))
        path = line["target"].partition("?")[0] or line["path"]  # WSGI does not tell the target
        wrongs = {
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
            wrongs["another key"] = line["key"] != sent.pair.key.access_key
            body = sent.mutant.bodies.get(line["nonce"] or "")
            if body is not None and entry["status"] == 200:
                digest = hashlib.sha256(body[: line["length"]]).hexdigest()
                wrongs["another body"] = digest != line["hash"]
        for word, is_so in wrongs.items():
            if is_so:
                self._wrong(word, sent, line, entry)

    def _wrong(self, word: str, sent: Sent | None, *what: object) -> None:
        raw = sent.mutant.sent if sent else None
        self.harvest.wrongs.append(f"{word}: {what}\n    sent: {raw!r}")


async def grow(name: str, folder: Path, seed: int, count: int) -> Harvest:
    """A gateway in front of origin `name`, and `count` mutants of `seed`."""
    home, gateway_home = folder / "origin", folder / "gateway"
    home.mkdir()
    gateway_home.mkdir()
    for path in (home, *home.parents[:2]):
        path.chmod(0o755)  # some origins work as another user
    with origin(name, home) as (port, journal):
        dial = {"url": f"http://127.0.0.1:{port}"}
        async with running_world(gateway_home, dial=dial, routes=ROUTES) as world:
            unread = 0 if name in HEEDLESS else None
            garden = Garden(world, journal, Nursery(seed), unread)
            await garden.grow(count)
    return garden.harvest


def main() -> None:
    """Grow each origin, and print a row for each."""
    parser = argparse.ArgumentParser(prog="make garden")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--count", type=int, default=5000, help="mutants for each origin")
    parser.add_argument("origins", nargs="*", metavar="ORIGIN", help=", ".join(NAMES))
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}, {chosen.count} mutants for each origin")
    print(f"{'origin':18} {'mutants':>8} {'passed':>8} {'seen':>8} {'refused':>8} {'s':>6}  wrong")
    wrongs = 0
    for name in chosen.origins or NAMES:
        with tempfile.TemporaryDirectory(prefix="garden-") as folder:
            harvest = asyncio.run(grow(name, Path(folder), chosen.seed, chosen.count))
        passed = harvest.answers[200]
        refused = sum(harvest.answers.values()) - passed
        print(
            f"{name:18} {harvest.mutants:8} {passed:8} {harvest.seen:8} {refused:8}"
            f" {harvest.seconds:6.1f}  {len(harvest.wrongs)}",
            dict(sorted(harvest.answers.items())),
            flush=True,
        )
        wrongs += len(harvest.wrongs)
        for wrong in harvest.wrongs[:5]:
            print("   ", wrong[:4000])
    sys.exit(1 if wrongs else 0)


if __name__ == "__main__":
    main()
