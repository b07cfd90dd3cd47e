"""Deactivate a key on one node and wait until that holds everywhere: then the very next request on
another node is refused, and a response that was in progress there has ended, while both nodes are
busy.

`make acknowledge TIMES=10000` does it many times in a row, and tells how long the waits took; the
suite does it a few times.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.installation import Installation
from tests.support.credentials import Credentials
from tests.support.postgres import server
from tests.test_several_nodes import Site

PATH: Final = "/v1/projects/demo/hosts"
EVENTS: Final = "/v1/projects/demo/events"
STREAM_EVERY: Final = 5
"""Revocations after which there is a response in progress at one of them."""
CUT: Final = 0.5
"""Seconds in which the end of a response arrives that was cut. The gateway's own tick would cut it
later in half of the cases."""
CLIENTS: Final = 2
"""Connections to each node that are never idle."""


@dataclass
class Result:
    """What was seen."""

    waits: list[float] = field(default_factory=list)
    """Seconds from the answer to a deactivation to the answer that it holds everywhere."""
    violations: list[str] = field(default_factory=list)
    unavailable: int = 0
    """How often the store did not answer in time: that is no answer that could be wrong."""
    requests: int = 0
    """Of the clients that kept the nodes busy."""
    failed: Counter[int] = field(default_factory=Counter)
    """Requests that failed with a 5xx, as they may on a machine that is too busy, by status."""

    def permitted(self, status: int, which: str) -> None:
        """A request with a valid key was answered."""
        if status >= 500:
            self.failed[status] += 1
        elif status != 200:
            self.violations.append(f"{which} got {status}")

    def __str__(self) -> str:
        p50, p99 = (1000 * each for each in percentiles(self.waits, 50, 99))
        return (
            f"{len(self.waits)} revocations, {len(self.violations)} violations, wait p50 {p50:.1f} "
            f"ms, p99 {p99:.1f} ms, longest {1000 * max(self.waits):.1f} ms; {self.unavailable} "
            f"times the store did not answer; {self.requests} other requests meanwhile, failed: "
            f"{dict(self.failed) or 'none'}"
        )


def percentiles(values: list[float], *wanted: int) -> list[float]:
    """Of at least two values."""
    cut = statistics.quantiles(values, n=100, method="inclusive")
    return [cut[each - 1] for each in wanted]


class Unavailable(Exception):
    """The store did not answer in time."""


class Connection:
    """A client of a gateway or an admin server, over one connection."""

    def __init__(self, port: int, credentials: Credentials) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self._headers = {"Authorization": credentials.authorization}

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def send(self, method: str, path: str) -> tuple[http.client.HTTPResponse, bytes]:
        """The answer to a request, and its body."""
        self._connection.request(method, path, headers=self._headers)
        answer = self._connection.getresponse()
        return answer, answer.read()

    def status(self) -> int:
        """That of a request at a gateway."""
        return self.send("GET", PATH)[0].status

    def change(self, path: str) -> int:
        """Make a change. Returns its revision."""
        answer, _ = self._asked("POST", f"/v1{path}", 202)
        return int(answer.headers["Wardgate-Revision"])

    def activate(self, number: str) -> None:
        """Activate a key that may be active, and wait until that holds everywhere."""
        while True:
            try:
                _, key = self._asked("GET", f"/v1/apikeys/{number}")
                if key["state"] == "active":
                    _, last = self._asked("GET", "/v1/revisions")
                    revision = int(last["data"][0]["id"])
                else:
                    revision = self.change(f"/apikeys/{number}/?action=activate")
                if self.holds(revision):
                    return
            except Unavailable:
                time.sleep(0.1)

    def holds(self, revision: int) -> bool:
        """Wait until the change holds everywhere."""
        _, told = self._asked("GET", f"/v1/revisions/{revision}?wait=30")
        return bool(told["state"] == "everywhere")

    def _asked(
        self, method: str, path: str, status: int = 200
    ) -> tuple[http.client.HTTPResponse, dict[str, Any]]:
        answer, body = self.send(method, path)
        if answer.status == 503:
            raise Unavailable
        assert answer.status == status, body
        return answer, json.loads(body)


class Stream:
    """A response in progress, without an end of its own."""

    def __init__(self, port: int, credentials: Credentials) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 30)
        head = f"GET {EVENTS} HTTP/1.1\r\nHost: h\r\nAuthorization: {credentials.authorization}"
        self._socket.sendall(f"{head}\r\n\r\n".encode())
        begun = b""
        while b"data: " not in begun:
            begun += self._socket.recv(4096)
        self._socket.settimeout(CUT)

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def is_cut(self) -> bool:
        """Whether the gateway has ended it."""
        try:
            while self._socket.recv(4096):
                pass
        except ConnectionResetError:
            pass
        except TimeoutError:
            return False
        return True


@contextmanager
def busy(site: Site, key: Credentials, result: Result) -> Iterator[None]:
    """Keep both nodes busy with requests of another key."""
    over, counts = threading.Event(), list[int]()

    def ask(port: int) -> None:
        count = 0
        with closing(Connection(port, key)) as client:
            while not over.is_set():
                result.permitted(client.status(), "a request with another key")
                count += 1
        counts.append(count)

    ports = [gateway for gateway, _ in site.ports.values()] * CLIENTS
    threads = [threading.Thread(target=ask, args=(port,)) for port in ports]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
        result.requests = sum(counts)


def new_key(site: Site) -> tuple[str, Credentials]:
    """(the id, the credentials) of a new key for the environment `demo`, which may be there."""
    ask = site.on("a").call
    demo, found = {"name": "demo", "slug": "demo"}, ask("/projects?slug=demo")["data"]
    environment = found[0] if found else ask("/projects", "-d", json.dumps(demo))
    made = ask(f"/projects/{environment['id']}/apikeys", "-d", "{}")
    return made["id"], Credentials.of(made)


def revoke(site: Site, times: int, stream_every: int = 0) -> Result:
    """Deactivate and activate a key so many times, on each node in turn, under load. There is a
    response in progress at each revocation out of `stream_every`; 0: at none, since that a response
    was cut can be seen only within a time."""
    result = Result()
    (number, key), (_, other) = new_key(site), new_key(site)
    with ExitStack() as open_, busy(site, other, result):
        gateways, admins = dict[str, Connection](), dict[str, Connection]()
        for name, (gateway, admin) in site.ports.items():
            gateways[name] = open_.enter_context(closing(Connection(gateway, key)))
            admins[name] = open_.enter_context(closing(Connection(admin, site.a.admin)))
        for turn in range(times):
            maker, elsewhere = ("a", "b") if turn % 2 else ("b", "a")
            asked = [gateways[elsewhere], gateways[maker]]
            with ExitStack() as round_:
                streams = []
                if stream_every and turn % stream_every == 0:
                    stream = Stream(site.ports[elsewhere][0], key)
                    streams = [round_.enter_context(closing(stream))]
                try:
                    once(result, admins[maker], asked, streams, number)
                except Unavailable:
                    result.unavailable += 1
            admins[maker].activate(number)
    return result


def once(
    result: Result,
    admin: Connection,
    gateways: list[Connection],
    streams: list[Stream],
    number: str,
) -> None:
    """One revocation. The first of `gateways` is another node than that of `admin`; there are the
    `streams`, too."""
    for each in gateways:
        result.permitted(each.status(), "a request with a key that was activated everywhere")
    revision = admin.change(f"/apikeys/{number}/?action=deactivate")
    begun = time.monotonic()
    if not admin.holds(revision):
        result.violations.append(f"revision {revision} did not hold everywhere in time")
    result.waits.append(time.monotonic() - begun)
    found = [each.status() for each in gateways]
    if any(status < 400 for status in found):
        result.violations.append(f"after revision {revision} held everywhere: {found}")
    result.failed.update(status for status in found if status >= 500)
    if not all(each.is_cut() for each in streams):
        result.violations.append(f"a response went on after revision {revision} held everywhere")


class Running(Site):
    """Two nodes that somebody else has started, in front of the sample API."""

    def __init__(self, ports: list[int], admin: Credentials) -> None:
        """`ports` are those of each gateway and its admin server."""
        self.a = Installation.__new__(Installation)
        self.a.folder, self.a.admin = Path.cwd(), admin
        self.ports = {"a": (ports[0], ports[1]), "b": (ports[2], ports[3])}


def main() -> int:
    """Do it as often as the command line says. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=1, help="of each node")
    parser.add_argument(
        "--ports",
        type=int,
        nargs=4,
        help="of two nodes that run, as 8080 8081 8082 8083; the key of an admin is in "
        "WARDGATE_ACCESS_KEY and WARDGATE_SECRET_KEY",
    )
    given = parser.parse_args()
    with ExitStack() as open_:
        if given.ports:
            key = os.environ["WARDGATE_ACCESS_KEY"], os.environ["WARDGATE_SECRET_KEY"]
            site: Site = Running(given.ports, Credentials(*key))
        else:
            folder = Path(open_.enter_context(tempfile.TemporaryDirectory()))
            postgres = open_.enter_context(server())
            site = Site(folder, postgres, open_, workers=given.workers)
        result = revoke(site, given.times, STREAM_EVERY)
    print(result)
    for each in result.violations[:10]:
        print(each, file=sys.stderr)
    return 1 if result.violations else 0


if __name__ == "__main__":
    sys.exit(main())
