"""The administrators of one node: keys come and go, programs read, people look at the console."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from typing import Any, Final

from aiohttp import ClientSession, CookieJar

from tests.soak.clients import FAILURES, Does
from tests.soak.place import Node
from tests.soak.readings import entries
from tests.soak.seen import Key, Keys, Seen
from tests.support.credentials import Credentials

KEYS: Final = 20
RENEWALS: Final = 0.1
"""Of keys in a second, at each node. Few, because each key that was ever used adds an entry to
caches that a run does not fill: 65,536 verified credentials, 4,096 names that are no more."""
PAGES: Final = ("/", "/keys", "/audit", "/nodes", "/overview")


class Unexpected(Exception):
    """An answer was not as it should be, and was noted."""


class Administrators:
    """Those of one node."""

    def __init__(
        self, node: Node, admin: Credentials, keys: Keys, seen: Seen, session: ClientSession
    ) -> None:
        self._node = node
        self._admin = admin
        self._keys = keys
        self._seen = seen
        self._session = session
        self._url = f"http://127.0.0.1:{node.api}"

    async def begin(self, limits: Any) -> None:
        """Make the keys of a run, of which one has limits."""
        made, _ = await self._call("POST", "/projects", {"name": "demo", "slug": "demo"}, 201)
        self._keys.environment = made["id"]
        self._keys.limited = [await self.create(limits=limits)]
        self._keys.used = await asyncio.gather(*(self.create() for _ in range(KEYS)))

    @property
    def does(self) -> Does:
        """What they do."""
        return [(self.renew, RENEWALS), (self.read, 1), (self.look, 0.1)]

    async def renew(self) -> None:
        """A new key comes into use, and the oldest one is changed in all ways, and deleted."""
        with suppress(Unexpected):
            self._keys.used.append(await self.create())
            old = self._keys.used.pop(0)
            for action in ("deactivate", "activate", "rotate", "deactivate", "remove"):
                body = {"overlap": "0"} if action == "rotate" else None
                await self._call("POST", f"/apikeys/{old.number}?action={action}", body, 200, 202)

    async def create(self, **more: Any) -> Key:
        """A key that works on all nodes: the API is asked when it does. Raises `Unexpected`."""
        path = f"/projects/{self._keys.environment}/apikeys"
        made, revision = await self._call("POST", path, {"name": "k"} | more, 201)
        state = ""
        while state != "everywhere":
            told, _ = await self._call("GET", f"/revisions/{revision}?wait=15", None, 200)
            state = told["state"]
        return Key(made["id"], Credentials.of(made))

    async def read(self) -> None:
        """Programs read the API, and the metrics."""
        with suppress(Unexpected):
            for path in ("/apikeys?limit=20", "/auditlogs?limit=20", "/nodes"):
                await self._call("GET", path, None, 200)
            metrics, _ = await self._call("GET", "/metrics", None, 200)
            self._seen.entries[self._node.name] = entries(metrics)

    async def look(self) -> None:
        """A person logs in, looks around and logs out."""
        async with ClientSession(self._url, cookie_jar=CookieJar(unsafe=True)) as browser:
            page = await self._page(
                browser, "POST", "/login", access=self._admin.access_key, secret=self._admin.secret
            )
            for path in PAGES:
                page = await self._page(browser, "GET", path)
                await asyncio.sleep(1 * (not self._seen.over))
            token = re.search(r'name="csrf" value="([^"]+)"', page)
            await self._page(browser, "POST", "/logout", csrf=token[1] if token else "")

    async def _page(self, browser: ClientSession, method: str, path: str, **form: str) -> str:
        got, text = 0, ""
        try:
            async with browser.request(method, path, data=form or None) as answer:
                got, text = answer.status, await answer.text()
        except FAILURES:
            pass
        self._seen.note("console", f"{path} {got}", {f"{path} 200"})
        return text

    async def _call(
        self, method: str, path: str, body: Any, *wanted: int
    ) -> tuple[Any, str | None]:
        """(the resource, or the text; the revision of a change). Raises `Unexpected`."""
        url = self._url + ("" if path == "/metrics" else "/v1") + path
        by = {"Authorization": self._admin.authorization}
        got: int | str
        try:
            async with self._session.request(method, url, headers=by, json=body) as answer:
                got = answer.status
                made = await (answer.json() if "json" in answer.content_type else answer.text())
                revision = answer.headers.get("Wardgate-Revision")
        except FAILURES as error:
            got = repr(error)
        what = f"{method} {path}"
        self._seen.note("api", f"{what}: {got}", {f"{what}: {each}" for each in wanted})
        if got not in wanted:
            raise Unexpected
        return made, revision
