"""The clients of one node, each thing at a steady rate."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

from aiohttp import ClientError, ClientSession

from tests.soak.place import Node
from tests.soak.seen import Key, Keys, Seen
from tests.support.credentials import Credentials

BASE: Final = "/v1/projects/demo"
FAILURES: Final = (ClientError, OSError, TimeoutError, asyncio.IncompleteReadError)
Act = Callable[[], Coroutine[Any, Any, None]]
Does = list[tuple[Act, float]]
"""What somebody does, and how often in a second."""
UNKNOWN: Final = 100
"""Access keys that clients try and that there are not. Few, because each name is remembered as
absent, up to 4,096 of them: more than a run would try."""
CONNECTIONS: Final = 22.0
"""New ones in a second, as `Clients.does` has it."""


class Clients:
    """Those of one node."""

    def __init__(
        self, node: Node, keys: Keys, seen: Seen, kept: ClientSession, new: ClientSession
    ) -> None:
        """`kept` keeps its connections, and `new` opens one for each request."""
        self._node = node
        self._keys = keys
        self._seen = seen
        self._kept = kept
        self._new = new
        self._unknown = [f"{random.getrandbits(80):020X}" for _ in range(UNKNOWN)]

    @property
    def does(self) -> Does:
        """What they do."""
        return [
            (self.get, 80),
            (self.connect, 15),
            (self.post, 10),
            (self.is_refused, 10),
            (self.guess, 5),
            (self.is_limited, 10),
            (self.give_up, 1),
            (self.talk, 0.5),
            (self.listen, 0.5),
        ]

    async def get(self) -> None:
        """A permitted request on a kept connection: its latency counts."""
        start = time.perf_counter()
        await self._ask("get", self._kept, self._any(), 200)
        self._seen.latencies.append(time.perf_counter() - start)

    async def connect(self) -> None:
        """The same on a new connection."""
        await self._ask("connect", self._new, self._any(), 200)

    async def post(self) -> None:
        """A body of up to 64 KiB."""
        sent = {"method": "POST", "path": f"{BASE}/echo", "data": bytes(random.randrange(65_536))}
        await self._ask("post", self._kept, self._any(), 200, **sent)

    async def is_refused(self) -> None:
        """An environment that the key is not for."""
        await self._ask("refused", self._kept, self._any(), 403, path="/v1/projects/other/hosts")

    async def guess(self) -> None:
        """A wrong secret of a key, or of one that there is not."""
        name = random.choice((self._any().credentials.access_key, random.choice(self._unknown)))
        wrong = Key("", Credentials(name, f"wgs_{random.getrandbits(200):x}"))
        await self._ask("guess", self._new, wrong, 401, 429)

    async def is_limited(self) -> None:
        """More often than the key may."""
        await self._ask("limited", self._kept, self._keys.limited[0], 200, 429)

    async def give_up(self) -> None:
        """The client leaves in the middle of a body."""
        key = self._any().credentials.basic
        head = b"POST %b/echo HTTP/1.1\r\nHost: h\r\n%bContent-Length: 9999\r\n\r\nabc"
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", self._node.gateway)
            writer.write(head % (BASE.encode(), key))
            await asyncio.sleep(random.uniform(0, 0.1))
            writer.transport.abort()
        self._seen.note("give up", 0, {0})

    async def talk(self) -> None:
        """A WebSocket for up to ten seconds."""
        key, got = self._any(), "101"
        try:
            async with self._new.ws_connect(self._url("/socket"), headers=_by(key)) as opened:
                left = random.randrange(20)
                while (left := left - 1) > 0 and not self._seen.over:
                    await opened.send_str("x" * 100)
                    await opened.receive_str()
                    await asyncio.sleep(0.5)
        except (*FAILURES, TypeError) as error:  # TypeError: it was closed
            got = self._cut(key, error)
        self._seen.note("talk", got, {"101", "cut"})

    async def listen(self) -> None:
        """Events for up to ten seconds, until the client leaves."""
        key, got = self._any(), "200"
        try:
            async with self._new.get(self._url("/events"), headers=_by(key)) as answer:
                left = random.randrange(10)
                while (left := left - 1) > 0 and not self._seen.over:
                    await answer.content.readuntil(b"\n\n")
        except FAILURES as error:
            got = self._cut(key, error)
        self._seen.note("listen", got, {"200", "cut"})

    def _cut(self, key: Key, error: Exception) -> str:
        """An end is right where the key has been revoked meanwhile."""
        return repr(error) if self._works(key) else "cut"

    def _works(self, key: Key) -> bool:
        """Whether nobody has begun to change it."""
        return key in self._keys.used or key in self._keys.limited

    async def _ask(
        self, what: str, session: ClientSession, key: Key, *wanted: int, **sent: Any
    ) -> None:
        request = {"method": "GET", "path": f"{BASE}/hosts"} | sent
        url = f"http://127.0.0.1:{self._node.gateway}{request.pop('path')}"
        got: int | str
        try:
            async with session.request(url=url, headers=_by(key), **request) as answer:
                await answer.read()
                got = answer.status
        except FAILURES as error:
            got = repr(error)
        revoked = () if self._works(key) else (401,)
        self._seen.note(what, got, (*wanted, *revoked))

    def _any(self) -> Key:
        return random.choice(self._keys.used)

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._node.gateway}{BASE}{path}"


def _by(key: Key) -> dict[str, str]:
    return {"Authorization": key.credentials.authorization}
