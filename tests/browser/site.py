"""A running Wardgate in front of the sample API, for what a browser does with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.installation import Installation
from tests.programs import free_port, running, sample_api
from tests.support.credentials import Credentials

REMOTE = "console.test"
"""A name of the admin server that is not this machine's own for the browser, which resolves it by
`chromium.py`: over plain HTTP it is no secure context."""


@dataclass(frozen=True)
class Person:
    """An account with the key by which it logs in."""

    id: str
    name: str
    credentials: Credentials


@dataclass(frozen=True)
class Site:
    """A running Wardgate. The tests of a file share it, so each has accounts of its own."""

    here: Installation
    _running: ExitStack = field(default_factory=ExitStack)

    @contextmanager
    def running(self) -> Iterator[None]:
        """It runs until the context ends."""
        with self._running:
            self._running.enter_context(self.here.serving())
            yield

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """It is stopped until the context ends, and its store is free."""
        self._running.close()
        yield
        self._running.enter_context(self.here.serving())

    @property
    def url(self) -> str:
        """Of the console."""
        return f"http://127.0.0.1:{self.here.api}"

    def post(self, path: str, by: Credentials | None = None, **values: Any) -> dict[str, Any]:
        """What the admin API answers to the first admin, or to who has the credentials `by`."""
        url = f"{self.url}/v2-beta{path}"
        user = ("-u", (by or self.here.admin).pair)
        made: dict[str, Any] = json.loads(self.here.curl(*user, "-d", json.dumps(values), url))
        assert made["type"] != "error", made
        return made

    def person(self, name: str, kind: str = "admin", /, **key: Any) -> Person:
        """A new account with an owner's key, in which `key` changes fields."""
        account = self.post("/accounts", name=name, kind=kind)
        key = {"name": f"{name}'s laptop", "accountId": account["id"]} | key
        return Person(account["id"], name, Credentials.of(self.post("/apikeys", **key)))

    def key(self, owner: str, name: str, **values: Any) -> tuple[str, Credentials]:
        """(the id, the credentials) of a new key of an account or an environment."""
        made = self.post("/apikeys", accountId=owner, name=name, **values)
        return made["id"], Credentials.of(made)

    def environment(self, slug: str, **values: Any) -> str:
        """The id of a new environment."""
        made = self.post("/projects", **{"name": slug.capitalize(), "slug": slug} | values)
        return str(made["id"])

    def status(self, credentials: Credentials, environment: str, client: str = "") -> int:
        """What the gateway answers to `curl -u`, or to a client behind a proxy."""
        forwarded = ("-H", f"X-Forwarded-For: {client}") if client else ()
        return self.here.ask(f"/v1/projects/{environment}/hosts", credentials, *forwarded)


@contextmanager
def running_site(folder: Path) -> Iterator[Site]:
    """A Wardgate of its own in `folder`, until the context ends."""
    upstream = free_port()
    (origin := folder / "origin").mkdir()
    with running(sample_api(upstream), upstream, origin):
        site = Site(install(folder, upstream))
        with site.running():
            yield site


def install(
    folder: Path, upstream: int, webhooks: dict[str, Any] | None = None, **options: Any
) -> Installation:
    """A Wardgate in front of a port, ready to be started; `options` are those of Installation, and
    `webhooks` the settings of that name."""
    (home := folder / "home").mkdir()
    api = free_port()
    admin: dict[str, Any] = {"listen": f"127.0.0.1:{api}", "hosts": ["127.0.0.1", REMOTE]}
    admin |= {"webhooks": webhooks} if webhooks else {}
    options = {"admin": admin, "trusted_proxies": ["127.0.0.1"]} | options
    return Installation(home, upstream, api=api, **options)
