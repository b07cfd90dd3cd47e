"""The gateway: its listeners, what its connections share, and the tick that applies deadlines.

Tested by all tests that run a gateway (`tests/harness.py`), its start and end in
`tests/proxy/test_node.py`.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import ssl
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from email.utils import formatdate
from typing import Final

from proxy.auth.authenticator import Authenticator
from proxy.auth.records import CachedRecords
from proxy.config.model import Config
from proxy.config.values import Listen
from proxy.domain.clock import now_ms
from proxy.domain.model import StoreUnavailable, WardgateError
from proxy.gateway.admission import Admission, Connection, raise_limit, share
from proxy.gateway.build import build
from proxy.gateway.downstream import Downstream, peer_of
from proxy.gateway.handshake import TlsHandshake
from proxy.gateway.proxied import ProxiedConnection
from proxy.telemetry.accesslog import AccessLog
from proxy.telemetry.recorder import Telemetry
from proxy.telemetry.usage import UsageRecorder

TICK: Final = 1.0
"""Seconds between two checks of all deadlines. One tick is cheaper than a timer for each
request."""
USAGE_EVERY: Final = 10
"""Ticks between two writes of the usage of keys."""
LAST_WORDS: Final = 1.0
"""Seconds for clients to read that their requests or WebSockets end with the gateway."""
BACKLOG: Final = 1024

log = logging.getLogger("wardgate")


class Gateway:
    """The gateway of one process. Implements `downstream.Server`."""

    def __init__(
        self,
        config: Config,
        records: CachedRecords,
        authenticator: Authenticator,
        usage: UsageRecorder,
    ) -> None:
        """Raises `WardgateError` where a file that the configuration names cannot be used."""
        self.draining = False
        self.now = time.monotonic()
        self.wall = now_ms()
        self.date = _date()
        self.usage = usage
        self.new_request_id = _request_ids()
        self.shares = share(config, handles := raise_limit())
        clients, upstreams, _ = self.shares
        per_source = config.limits.connections_per_source
        if clients < config.limits.connections:
            text = "%d file handles are enough for %d clients and %d connections to upstreams"
            log.warning(text, handles, clients, sum(upstreams.values()))
            per_source = min(per_source, max(1, clients // 4))  # one source must not have them all
        self.admission = Admission(clients, per_source)
        self.runtime = build(config, records, authenticator, upstreams)
        self.telemetry = Telemetry(AccessLog(config.access_log))
        health = self.telemetry.health
        for name, pool in self.runtime.pools.items():
            pool.report = health.watch(
                "upstream",
                f"upstream {name} ({config.upstreams[name].url})",
                "does not answer: %s; requests get 502 until it does",
                "answers again",
            )
            pool.addresses.report = health.watch(
                "resolver",
                f"the host of upstream {name} ({config.upstreams[name].url})",
                "cannot be looked up: %s; its last addresses are used until it can",
                "can be looked up again",
            )
        self._report_log = health.watch(
            "access_log",
            f"access log {config.access_log}",
            "cannot be written: %s; its lines are lost until it can",
            "is written again",
        )
        self._log_failure: str | None = None
        self._config = config
        self._servers: list[asyncio.Server] = []
        self._ticks = 0
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self._probing: asyncio.Task[None] | None = None

    # --- life ---

    async def start(self) -> list[str]:
        """Listen. Returns the listeners' URLs or `unix:` paths. Raises `WardgateError`."""
        tls = self._config.tls.context if self._config.tls else None
        for listen in self._config.listen:
            self._servers.append(await self._listen(listen, tls))
        self._timer = asyncio.get_running_loop().call_later(TICK, self._tick)
        self._probing = asyncio.ensure_future(self._probe())
        scheme = "https" if tls else "http"
        return [_place(server, scheme) for server in self._servers]

    async def _listen(self, listen: Listen, tls: ssl.SSLContext | None) -> asyncio.Server:
        loop = asyncio.get_running_loop()

        def connection(source: str = "") -> TlsHandshake | Downstream:
            if tls is None:
                return Downstream(self, source=source)
            timeouts = self.runtime.timeouts
            return TlsHandshake(
                lambda: Downstream(self, tls=True, source=source),
                tls,
                timeouts.head,
                timeouts.linger,
                admit=self._admit_handshake,
                leave=self.admission.leave,
                source=source,
            )

        def proxied() -> ProxiedConnection:
            return ProxiedConnection(self, connection)

        accept = proxied if listen.proxy_protocol else connection
        try:
            if listen.path is not None:
                return await loop.create_unix_server(accept, listen.path, backlog=BACKLOG)
            return await loop.create_server(accept, listen.host, listen.port, backlog=BACKLOG)
        except OSError as error:
            raise cannot_listen(listen, error) from None

    async def _probe(self) -> None:
        """Find out which upstreams do not answer yet. The gateway starts without them."""
        for pool in self.runtime.pools.values():
            await pool.probe()

    async def stop(self) -> None:
        """Accept nothing more, let requests finish for `limits.drain_timeout`, then cut them."""
        self.draining = True
        for server in self._servers:
            server.close()
        connections = self.admission.connections
        for connection in list(connections):
            if isinstance(connection, TlsHandshake | ProxiedConnection):
                connection.shut_down()  # it has no request yet, and may never have one
        await self._clients_gone(self._config.limits.drain_timeout)
        for connection in list(connections):
            connection.shut_down()
        await self._clients_gone(LAST_WORDS)
        for connection in list(connections):
            connection.transport.abort()
        await asyncio.sleep(0)
        if self._timer is not None:
            self._timer.cancel()
        if self._probing is not None:
            self._probing.cancel()
        for pool in self.runtime.pools.values():
            pool.close()
        if self._writing is not None:
            await self._writing
        await self._write_usage()
        self.telemetry.log.close()
        self._watch_log()

    async def _clients_gone(self, seconds: float) -> None:
        """Wait until no client is connected, for so long at most."""
        deadline = time.monotonic() + seconds
        while self.connected and time.monotonic() < deadline:
            self.end_what_is_over(time.monotonic())
            await asyncio.sleep(0.05)

    # --- connections ---

    def admit(self, connection: Connection) -> bool:
        """Count a connection; False where it is not admitted."""
        return not self.draining and self.admission.admit(connection)

    def leave(self, connection: Connection) -> None:
        """Stop counting a connection."""
        self.admission.leave(connection)

    def _admit_handshake(self, handshake: TlsHandshake) -> bool:
        handshake.peer = peer_of(handshake.transport, handshake.peer, self.runtime.is_trusted)
        return self.admit(handshake)

    @property
    def connected(self) -> int:
        """How many clients are connected."""
        return len(self.admission.connections)

    # --- time ---

    def _tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(TICK, self._tick)
        self.now = now = time.monotonic()
        self.wall = now_ms()
        self.date = _date()
        self.end_what_is_over(now)
        for pool in self.runtime.pools.values():
            pool.tick()
        self.telemetry.log.flush()
        self._watch_log()
        self._ticks += 1
        if self._ticks % USAGE_EVERY == 0 and (self._writing is None or self._writing.done()):
            self._writing = asyncio.ensure_future(self._write_usage())

    def end_what_is_over(self, now: float) -> None:
        """End connections and requests whose deadline has passed at `now`, in monotonic seconds.
        What begins between two ticks has the time of the earlier one, which is why a tick is taken
        off: nothing ends early, unless the event loop stood still."""
        for connection in list(self.admission.connections):
            try:
                connection.tick(now - TICK)
            except Exception:  # of one connection: all others must be looked at too
                log.exception("a connection is reset: its deadlines could not be checked")
                connection.transport.abort()

    def _watch_log(self) -> None:
        failure = self.telemetry.log.failure
        if failure != self._log_failure:
            self._log_failure = failure
            self._report_log(failure)

    async def _write_usage(self) -> None:
        with suppress(StoreUnavailable):  # reported by the store; the uses are kept
            await self.usage.write()


def _request_ids() -> Callable[[], bytes]:
    """A source of ids in the form of a UUID: a random prefix for the process, and a counter."""
    prefix = str(uuid.uuid4())[:24].encode()
    counter = itertools.count(int.from_bytes(os.urandom(4)))
    return lambda: b"%b%012x" % (prefix, next(counter))


def _date() -> bytes:
    return formatdate(usegmt=True).encode()


def cannot_listen(listen: Listen, error: OSError) -> WardgateError:
    """The error for a listener that cannot be opened: the address and the reason, in one line."""
    # asyncio's own text repeats the address. The number for a name that does not resolve is
    # negative, and os.strerror does not know it.
    number = error.errno or 0
    reason = os.strerror(number) if number > 0 else error.strerror or error
    return WardgateError(f"cannot listen on {listen}: {reason}")


def _place(server: asyncio.Server, scheme: str) -> str:
    name = server.sockets[0].getsockname()
    if not isinstance(name, tuple):
        return f"unix:{name}"
    host = f"[{name[0]}]" if ":" in name[0] else name[0]
    return f"{scheme}://{host}:{name[1]}"
