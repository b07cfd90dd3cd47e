"""The gateway: its listeners, what its connections share, and the tick that applies deadlines.

Tested by all tests that run a gateway (`tests/harness.py`), its start and end in
`tests/proxy/test_node.py`.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from email.utils import formatdate
from typing import Final, TypeVar

from proxy.auth.authenticator import Authenticator
from proxy.auth.records import CachedRecords
from proxy.config.model import Config
from proxy.config.values import Listen
from proxy.domain.clock import now_ms
from proxy.domain.errors import StoreUnavailable, WardgateError
from proxy.gateway.admission import Admission, Connection, Shares, raise_limit, share
from proxy.gateway.build import build
from proxy.gateway.downstream import Downstream, peer_of
from proxy.gateway.forward_auth import ForwardAuthConnection
from proxy.gateway.handshake import TlsHandshake
from proxy.gateway.limiter import Limiter
from proxy.gateway.pool import Pool
from proxy.gateway.pools import Pools
from proxy.gateway.process import Process
from proxy.gateway.proxied import ProxiedConnection
from proxy.gateway.runtime import Runtime
from proxy.gateway.status import statuses
from proxy.targets.status import UpstreamStatus
from proxy.telemetry.accesslog import AccessLog, open_log
from proxy.telemetry.recorder import Telemetry
from proxy.telemetry.tracing import Tracer
from proxy.telemetry.usage import UsageRecorder

T = TypeVar("T")

TICK: Final = 1.0
"""Seconds between two checks of all deadlines. One tick is cheaper than a timer for each
request."""
USAGE_EVERY: Final = 10
"""Ticks between two writes of uses and usage: what a crash may lose."""
LAST_WORDS: Final = 1.0
"""Seconds for clients to read that their requests or WebSockets end with the gateway."""
HANDING_OVER: Final = 5.0
"""Seconds for idle clients of a process that is replaced to send one more request."""
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
        limiter: Limiter,
        tracer: Tracer | None = None,
        process: Process | None = None,
    ) -> None:
        """Raises `WardgateError` where the access log cannot be opened."""
        self._process = process or Process()
        self.draining = self._refusing = False
        self.idle_until = 0.0
        self.now = time.monotonic()
        self.wall = now_ms()
        self.date = _date()
        self.usage = usage
        self.limiter = limiter
        self.tracer = tracer
        self.new_request_id = _request_ids()
        self._handles = raise_limit()
        self._records = records
        self._authenticator = authenticator
        self.telemetry = Telemetry(AccessLog(config.access_log, shared=self._process.processes > 1))
        usage.settle = self.telemetry.settle
        self._watch_log_at(config.access_log)
        self._log_failure: str | None = None
        self._pools = Pools(self.telemetry.health)
        self.admission = Admission(0, 0, self._process.sources)
        self._servers: list[asyncio.Server] = []
        self._forward_auth: list[asyncio.Server] = []
        self._ticks = 0
        self._due = 0.0
        """When the next tick should come, in monotonic seconds."""
        self._timer: asyncio.TimerHandle | None = None
        self._serves = False
        """Whether it has clients, and so upstreams: the process with the store of workers has
        none."""
        self._writing: asyncio.Task[None] | None = None
        self._use(config, *self._prepare(config))

    # --- configuration ---

    async def reload(self, config: Config) -> None:
        """Serve by another configuration from the next request on. Requests in progress keep the
        routes and the upstreams with which they began."""
        prepared = await asyncio.to_thread(self._prepare, config)
        if self._serves:
            await self._pools.find(prepared[1].pools)
        proxies = self.config.trusted_proxies
        self._use(config, *prepared)
        if proxies != self.config.trusted_proxies:
            for each in self.admission.connections:
                if isinstance(each, ForwardAuthConnection):
                    continue  # `forward_auth.peers` changes only with a restart
                trusted = self.runtime.is_trusted(each.peer.address)
                each.peer = each.peer._replace(trusted=trusted)
        if self._serves:
            self._pools.probe()

    def _prepare(self, config: Config) -> tuple[Shares, Runtime]:
        """Work out what `config` means, which takes a while and changes nothing."""
        shares = share(config, self._handles, self._process.processes)
        return shares, build(config, self._records, self._authenticator, shares.upstreams)

    def _use(self, config: Config, shares: Shares, runtime: Runtime) -> None:
        self.config = config
        self.telemetry.log.crowd.bound(config.access_log_refusals)
        self.shares = shares
        clients, upstreams, _ = self.shares
        per_source = config.limits.connections_per_source
        if clients * self._process.processes < config.limits.connections:
            text = "%d file handles are enough for %d clients and %d connections to upstreams"
            log.warning(text, self._handles, clients, sum(upstreams.values()))
            per_source = min(per_source, max(1, clients // 4))  # one source must not have them all
        self.admission.limit(clients, per_source)
        pools = self._pools.exchange(config.upstreams, runtime.pools)
        self.runtime, self.moment = replace(runtime, pools=pools), object()

    async def reopen_log(self) -> None:
        """Open the access log anew, as its file may have been moved away. The lines of requests
        that end from now on go there; where it cannot be opened, to the file of before."""
        destination = self.config.access_log
        try:
            file = await asyncio.to_thread(open_log, destination, wait=False)
        except WardgateError as error:
            log.error("%s; its lines go where they went before", error)
            return
        self.telemetry.settle()
        self.telemetry.log.switch(file)
        if destination != self._log_at:
            self.telemetry.health.forget(_log_name(self._log_at))
            self._log_failure = None
            self._watch_log_at(destination)

    def _watch_log_at(self, destination: str) -> None:
        self._log_at = destination
        self._report_log = self.telemetry.health.watch(
            "access_log",
            _log_name(destination),
            "cannot be written: %s; its lines are lost until it can",
            "is written again",
        )

    # --- life ---

    async def start(self) -> list[str]:
        """Listen. Returns the listeners' URLs or `unix:` paths. Raises `WardgateError`."""
        self._serves = True
        await self._pools.find(self._pools.current)
        await self._listen_to_clients()
        self.start_ticks()
        self._pools.probe()  # the gateway starts without those that do not answer
        return self.urls

    def start_ticks(self) -> None:
        """Begin to do what is due each second. A process without clients does no more."""
        self._timer = asyncio.get_running_loop().call_later(TICK, self._tick)
        self._due = time.monotonic() + TICK

    async def _listen_to_clients(self) -> None:
        for listen in self.config.listen:
            self._servers += await self._listen(listen, self._accept(listen))
        if self.config.forward_auth is not None:
            for listen in self.config.forward_auth.listen:
                self._forward_auth += await self._listen(
                    listen, lambda: ForwardAuthConnection(self)
                )

    @property
    def urls(self) -> list[str]:
        """The listeners' URLs or `unix:` paths."""
        scheme = "https" if self.config.tls else "http"
        return [_place(server, scheme) for server in self._servers]

    @property
    def forward_auth_urls(self) -> list[str]:
        """The same of the listeners on which other proxies ask."""
        return [_place(server, "http") for server in self._forward_auth]

    def _accept(self, listen: Listen) -> Callable[[], asyncio.Protocol]:
        """What makes the protocol of a client that connects to a listener."""

        def connection(source: str = "") -> TlsHandshake | Downstream:
            tls, timeouts = self.config.tls, self.runtime.timeouts
            if tls is None:
                return Downstream(self, source=source)
            return TlsHandshake(
                lambda: Downstream(self, tls=True, source=source),
                tls.context,
                timeouts.head,
                timeouts.linger,
                admit=self._admit_handshake,
                leave=self.admission.leave,
                source=source,
            )

        def proxied() -> ProxiedConnection:
            return ProxiedConnection(self, connection)

        return proxied if listen.proxy_protocol else connection

    async def _listen(
        self, listen: Listen, accept: Callable[[], asyncio.Protocol]
    ) -> list[asyncio.Server]:
        loop = asyncio.get_running_loop()
        given = self._process.sockets.get(str(listen), ())
        try:
            if given and listen.path is not None:
                return [
                    await loop.create_unix_server(accept, sock=each, backlog=BACKLOG)
                    for each in given
                ]
            if given:
                return [
                    await loop.create_server(accept, sock=each, backlog=BACKLOG) for each in given
                ]
            if listen.path is not None:
                return [await loop.create_unix_server(accept, listen.path, backlog=BACKLOG)]
            return [await loop.create_server(accept, listen.host, listen.port, backlog=BACKLOG)]
        except OSError as error:
            raise cannot_listen(listen, error) from None

    async def stop(self, *, replaced: bool = False) -> None:
        """Accept nothing more, let requests finish for `limits.drain_timeout`, then cut them.
        `replaced`: another process accepts what comes from now on, so clients that are connected
        get one more answer, which tells them to connect anew (RFC 9112 section 9.6)."""
        self.draining, self.moment = True, object()
        for server in (*self._servers, *self._forward_auth):
            server.close()
        if replaced:
            self.idle_until = time.monotonic() + HANDING_OVER
            await self._clients_gone(HANDING_OVER)
        self._refusing = True
        connections = self.admission.connections
        for connection in list(connections):
            if isinstance(connection, TlsHandshake | ProxiedConnection):
                connection.shut_down()  # it has no request yet, and may never have one
        await self._clients_gone(self.config.limits.drain_timeout)
        for connection in list(connections):
            connection.shut_down()
        await self._clients_gone(LAST_WORDS)
        for connection in list(connections):
            connection.transport.abort()
        await asyncio.sleep(0)
        if self._timer is not None:
            self._timer.cancel()
        self._pools.close()
        if self._writing is not None:
            await self._writing
        await self._write_usage()
        await self.limiter.close()
        self.telemetry.flush()
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
        return not self._refusing and self.admission.admit(connection)

    def leave(self, connection: Connection) -> None:
        """Stop counting a connection."""
        self.admission.leave(connection)

    def _admit_handshake(self, handshake: TlsHandshake) -> bool:
        handshake.peer = peer_of(handshake.transport, handshake.peer, self.runtime.is_trusted)
        return self.admit(handshake)

    def upstreams(self) -> list[UpstreamStatus]:
        """What is known of the upstreams now."""
        return statuses(self.runtime.pools, time.monotonic(), now_ms())

    @property
    def pools(self) -> list[tuple[str, Pool]]:
        """All connections to upstreams: also what is left of pools of earlier configurations."""
        return self._pools.named

    @property
    def connected(self) -> int:
        """How many clients are connected."""
        return len(self.admission.connections)

    # --- time ---

    def _tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(TICK, self._tick)
        now = time.monotonic()
        self.telemetry.loop_lag.note(max(0.0, now - self._due))
        self.now, self._due = now, now + TICK
        self.wall, self.date, self.moment = now_ms(), _date(), object()
        self.end_what_is_over(now)
        if self._serves:
            self._pools.tick()
        self.limiter.tick()
        self.telemetry.flush()
        self._watch_log()
        self._ticks += 1
        if self._ticks % USAGE_EVERY == 0 and (self._writing is None or self._writing.done()):
            self._writing = asyncio.ensure_future(self._write_usage())

    def end_what_is_over(self, now: float) -> None:
        """End connections and requests whose deadline has passed at `now`, in monotonic seconds.
        What begins between two ticks has the time of the earlier one, which is why a tick is taken
        off: nothing ends early, unless the event loop stood still."""
        self._look_at_all(lambda connection: connection.tick(now - TICK))

    def settle(self, version: int) -> bool:
        """Decide anew on all requests that are under way, by the records of now. Returns whether
        none goes on that was decided by records from before `version`: where some cannot be decided
        at once, ask again."""
        looked = self._look_at_all(lambda connection: connection.settle(version))
        return False not in looked

    def _look_at_all(self, look: Callable[[Connection], T]) -> list[T]:
        looked = []
        for connection in list(self.admission.connections):
            try:
                looked.append(look(connection))
            except Exception:  # of one connection: all others must be looked at too
                log.exception("a connection is reset: its deadlines could not be checked")
                connection.transport.abort()
        return looked

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
    return map((prefix + b"%012x").__mod__, counter).__next__  # without a call of Python


def _log_name(destination: str) -> str:
    return f"access log {destination}"


def _date() -> bytes:
    return formatdate(usegmt=True).encode()


def cannot_listen(listen: Listen | str, error: OSError) -> WardgateError:
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
