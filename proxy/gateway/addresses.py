"""The addresses of an upstream: looked up again as time goes, and the order in which to try them.

All addresses of a name are used in turn, as nginx uses them, and one that failed or was slow comes
last for some seconds. A lookup runs beside the requests. Only before the first answer do they wait
for it, and an answer counts until there is another.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from math import inf
from typing import Final, TypeAlias

from aiohappyeyeballs import AddrInfoType

from proxy.telemetry.health import Report

MAX_AGE: Final = 30.0
"""Seconds after which a name is looked up again. getaddrinfo tells no time to live. Java: 30
(networkaddress.cache.ttl); Envoy: 5 (dns_refresh_rate); nginx by default: never."""
ASIDE: Final = 10.0
"""Seconds for which an address that failed or was slow comes last. nginx: 10 (fail_timeout)."""

Resolve: TypeAlias = Callable[[str], Awaitable[Sequence[AddrInfoType]]]
"""Looks up a host; returns what getaddrinfo returns, at least one. Raises OSError."""


async def resolve(host: str) -> Sequence[AddrInfoType]:
    """Look up a host as the system does, in another thread. Raises OSError."""
    loop = asyncio.get_running_loop()
    return await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)


class Addresses:
    """The addresses of one host."""

    def __init__(
        self,
        host: str,
        changed: Callable[[Collection[str]], None],
        resolve: Resolve = resolve,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`changed` is called with all addresses when others were found than before. `clock`
        returns monotonic seconds."""
        self._host = host
        self._changed = changed
        self._resolve = resolve
        self._clock = clock
        self._known: list[AddrInfoType] = []
        self._aside: dict[str, float] = {}
        self._turn = 0
        self._lookup: asyncio.Task[None] | None = None
        self._due = -inf
        self._cause = ""
        self.report: Report = lambda _: None
        """Called after each lookup: with the cause of its failure where the last answer goes on to
        count, or None."""

    async def in_order(self, port: int) -> list[AddrInfoType]:
        """All addresses with this port, the one to try first at the front. Raises OSError."""
        if not self._known:
            await asyncio.shield(self._look_up())
        if not self._known:
            raise OSError(self._cause)
        known, now = self._known, self._clock()
        start = self._turn % len(known)
        self._turn += 1
        turned = [*known[start:], *known[:start]]
        turned.sort(key=lambda each: self._aside.get(_ip(each), -inf) > now)
        return [(*each[:4], (each[4][0], port, *each[4][2:])) for each in turned]

    def has(self, ip: str) -> bool:
        """Whether an IP address is one of them, as far as they are known."""
        return not self._known or any(_ip(each) == ip for each in self._known)

    def put_aside(self, address: AddrInfoType) -> None:
        """Try this address last for a while: it failed, or was slow."""
        self._aside[_ip(address)] = self._clock() + ASIDE

    def doubt(self) -> None:
        """Look the name up again soon: none of its addresses answers."""
        self._due = -inf

    def tick(self) -> None:
        """Look the name up again where it is time to. Called about once a second."""
        if self._clock() >= self._due:
            self._look_up()

    def close(self) -> None:
        """Stop looking up."""
        if self._lookup is not None:
            self._lookup.cancel()

    def _look_up(self) -> asyncio.Task[None]:
        if self._lookup is None or self._lookup.done():
            self._lookup = asyncio.get_running_loop().create_task(self._ask())
        return self._lookup

    async def _ask(self) -> None:
        try:
            found = list(dict.fromkeys(await self._resolve(self._host)))
        except (OSError, UnicodeError) as error:  # UnicodeError: no name that IDNA allows
            self._cause = getattr(error, "strerror", None) or str(error)
            if self._known:
                self.report(self._cause)
        else:
            before, self._known = self._known, found
            ips = set(map(_ip, found))
            self._aside = {ip: until for ip, until in self._aside.items() if ip in ips}
            if before and ips != set(map(_ip, before)):
                self._changed(ips)
            self.report(None)
        self._due = self._clock() + MAX_AGE


def _ip(address: AddrInfoType) -> str:
    return str(address[4][0])
