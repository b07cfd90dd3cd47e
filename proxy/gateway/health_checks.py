"""Checks of targets: requests of the gateway's own, which say whether a target is well.

Tested in `tests/proxy/gateway/test_balancer_health.py`, with real servers.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias, cast

from proxy.gateway.dialer import DialFailure, open_connection
from proxy.gateway.failures import UpstreamFailure
from proxy.gateway.pool import Pool
from proxy.gateway.target import CheckRules, Target
from proxy.gateway.upstream import UpstreamConnection
from proxy.http1.response_head import Response

log = logging.getLogger("wardgate")

HEAD: Final = (
    b"GET %b HTTP/1.1\r\nHost: %b\r\nUser-Agent: wardgate-check\r\n%bConnection: close\r\n\r\n"
)


Note: TypeAlias = Callable[[Target, str | None], None]
"""Called with the result of each check: why it failed, or None."""


class Checking:
    """The checks of the targets of one upstream, in a task for each."""

    def __init__(self, note: Note) -> None:
        self._note = note
        self._tasks: dict[Target, asyncio.Task[None]] = {}
        self._rules: CheckRules | None = None

    def begin(self, targets: Sequence[Target], rules: CheckRules | None) -> None:
        """Check these targets by these rules, anew."""
        self.stop()
        self._rules = rules
        self.follow(targets)

    def follow(self, targets: Sequence[Target]) -> None:
        """From now on, check these targets, if any are checked. Those that were checked before keep
        their rhythm."""
        for gone in self._tasks.keys() - set(targets):
            self._tasks.pop(gone).cancel()
        if self._rules is not None:
            loop = asyncio.get_running_loop()
            for each in targets:
                if each not in self._tasks:
                    work = check_forever(each, self._rules, self._note)
                    self._tasks[each] = loop.create_task(work)

    def stop(self) -> None:
        """Check no more."""
        self._rules = None
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()


async def check_forever(target: Target, rules: CheckRules, note: Note) -> None:
    """Check a target again and again. The checks of several targets, and of several gateways, are
    spread over the interval."""
    await asyncio.sleep(random.random() * min(1.0, rules.interval))  # noqa: S311
    while True:
        begun = time.monotonic()
        try:
            failure = await check(target.pool, rules)
        except Exception:  # of this check: the next one must be made too
            log.exception("the check of %s has failed", target.name)
            failure = "internal"
        note(target, failure)
        await asyncio.sleep(max(0.0, rules.interval - (time.monotonic() - begun)))


async def check(pool: Pool, rules: CheckRules) -> str | None:
    """One check, over a connection of its own. Returns why it failed, None where the target is
    well."""
    checking = _Check()
    try:
        async with asyncio.timeout(rules.timeout):
            connection = await open_connection(
                pool.dial, pool.addresses, lambda: UpstreamConnection(cast("Pool", _Keeper()))
            )
            try:
                connection.carry(checking, _head(pool, rules), alone=True)
                status = await checking.status
            finally:
                connection.finish()
    except DialFailure as error:
        return str(error)
    except TimeoutError:
        return f"no answer within {rules.timeout:g} s"
    except _Failed as error:
        return str(error)
    return None if status in rules.statuses else f"status {status}"


def _head(pool: Pool, rules: CheckRules) -> bytes:
    origin = pool.origin
    own = b"" if origin.authorization is None else b"Authorization: %b\r\n" % origin.authorization
    return HEAD % (rules.path, rules.host or origin.authority, own)


class _Failed(Exception):
    """The target did not answer. The text says why."""


class _Check:
    """The request of a check. Implements `upstream_interfaces.ResponseHandler`."""

    head_only = False
    offered: bytes | None = None
    request_sent = True
    tried: tuple[Pool, ...] = ()
    method = b"GET"
    whole = True
    affinity = b""

    def __init__(self) -> None:
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def respond(self, response: Response, whole: bytes = b"") -> None:
        """The head of the response decides."""
        if not self.status.done():
            self.status.set_result(response.status)

    def upstream_lost(self, failure: UpstreamFailure) -> None:
        """There is no response."""
        if not self.status.done():
            self.status.set_exception(_Failed(failure.reason.code))

    def connected(self, upstream: UpstreamConnection) -> None: ...
    def upstream_doubted(self) -> None: ...
    def interim(self, response: Response) -> None: ...
    def upstream_data(self, data: bytes) -> None: ...
    def upstream_blocked(self, blocked: bool) -> None: ...
    def response_end(self) -> None: ...
    def switched(self, response: Response, rest: bytes) -> None: ...


class _Keeper:
    """What stands in for the pool of a connection that is used once, and says nothing of how
    requests do."""

    failures = 0

    def answered(self, status: int) -> None: ...
    def failed(self, cause: str) -> None: ...
    def release(self, connection: UpstreamConnection) -> None: ...
    def lost(self, connection: UpstreamConnection) -> None: ...
    def closing(self, connection: UpstreamConnection, *, asked: bool = False) -> None: ...
