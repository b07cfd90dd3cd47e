"""One gateway: its listeners, what its connections share, the clock that ends what takes too
long."""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import logging
import os
import ssl
import time
import uuid
from collections import Counter
from collections.abc import Callable
from email.utils import formatdate
from typing import Final

from proxy.auth.authenticator import Authenticator
from proxy.auth.decision import Judge
from proxy.auth.ratelimit import source_of
from proxy.auth.records import CachedRecords
from proxy.config.model import Config, Tls, Upstream
from proxy.config.values import Listen
from proxy.domain.model import StoreUnavailable, WardgateError
from proxy.domain.policy import Access, Route, Routes
from proxy.gateway.admission import raise_limit, share
from proxy.gateway.downstream import Downstream, peer_of
from proxy.gateway.handshake import TlsHandshake
from proxy.gateway.interfaces import Timeouts
from proxy.gateway.pool import Dial, Pool
from proxy.http1.grammar import Limits
from proxy.http1.outbound import LOCAL, Origin
from proxy.telemetry.accesslog import AccessLog
from proxy.telemetry.usage import UsageRecorder

TICK: Final = 1.0
"""Seconds between two looks at all deadlines: one clock instead of a timer for each request."""
USES_EVERY: Final = 10
"""Ticks between two times that uses of keys are written down."""
BACKLOG: Final = 1024

log = logging.getLogger("wardgate")


class Gateway:
    """The gateway of one process. Implements `downstream.Gateway`."""

    def __init__(
        self,
        config: Config,
        records: CachedRecords,
        authenticator: Authenticator,
        uses: UsageRecorder,
    ) -> None:
        """Raises `WardgateError` where a file that the configuration names cannot be used."""
        limits, given = config.limits, config.limits
        self.limits = Limits(limits.head_size, limits.line_size, limits.fields)
        self.timeouts = Timeouts(
            head=given.head_timeout,
            keepalive=given.keepalive_timeout,
            body_idle=given.body_idle_timeout,
            body_min_rate=given.body_min_rate,
            stalled_reader=given.stalled_reader_timeout,
            tunnel_idle=given.tunnel_idle_timeout,
        )
        self.body_size = given.body_size
        self.draining = False
        self.now = time.monotonic()
        self.wall = time.time_ns() // 1_000_000
        self.date = _date()
        self.uses = uses
        self.answered = [0] * 6
        self.refused: Counter[str] = Counter()
        self.new_request_id = _request_ids()
        self.shares = share(config, handles := raise_limit())
        self.pools = {
            name: Pool(_origin(upstream), _dial(upstream, self.shares.upstreams[name]))
            for name, upstream in config.upstreams.items()
        }
        self.judge = Judge(Routes(_routes(config)), records, authenticator, self.limits.line_size)
        self.log = AccessLog(config.access_log)
        self._config = config
        clients, upstreams, _ = self.shares
        if clients < limits.connections:
            text = "%d file handles are enough for %d clients and %d connections to upstreams"
            log.warning(text, handles, clients, sum(upstreams.values()))
        self._per_source = limits.connections_per_source
        if clients < limits.connections:  # nobody shall have all of the few
            self._per_source = min(self._per_source, max(1, clients // 4))
        self._connections: set[Downstream | TlsHandshake] = set()
        self._sources: Counter[str] = Counter()
        self._servers: list[asyncio.Server] = []
        self._ticks = 0
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self._probing: asyncio.Task[None] | None = None

    # --- life ---

    async def start(self) -> list[str]:
        """Listen, and return where, as URLs or `unix:` paths. Raises `WardgateError`."""
        tls = server_context(self._config.tls) if self._config.tls else None
        for listen in self._config.listen:
            self._servers.append(await self._listen(listen, tls))
        self._timer = asyncio.get_running_loop().call_later(TICK, self._tick)
        self._probing = asyncio.ensure_future(self._probe())
        scheme = "https" if tls else "http"
        return [_place(server, scheme) for server in self._servers]

    async def _listen(self, listen: Listen, tls: ssl.SSLContext | None) -> asyncio.Server:
        loop = asyncio.get_running_loop()

        def connection() -> TlsHandshake | Downstream:
            if tls is None:
                return Downstream(self)
            return TlsHandshake(
                lambda: Downstream(self, tls=True),
                tls,
                self.timeouts.head,
                self.timeouts.linger,
                admit=self._admit_unseen,
                leave=self.leave,
            )

        try:
            if listen.path is not None:
                return await loop.create_unix_server(connection, listen.path, backlog=BACKLOG)
            return await loop.create_server(connection, listen.host, listen.port, backlog=BACKLOG)
        except OSError as error:
            raise cannot_listen(listen, error) from None

    async def _probe(self) -> None:
        """Say which upstreams are not there yet: the gateway serves without them."""
        for name, pool in self.pools.items():
            reason = await pool.probe()
            if reason is not None:
                url = self._config.upstreams[name].url
                text = "upstream %s (%s) does not answer: %s; requests get 502 until it does"
                log.warning(text, name, url, reason)

    async def stop(self) -> None:
        """Accept nothing more, let what runs finish for `limits.drain_timeout`, then cut it."""
        self.draining = True
        for server in self._servers:
            server.close()
        deadline = time.monotonic() + self._config.limits.drain_timeout
        while self._connections and time.monotonic() < deadline:
            self.end_what_is_over(time.monotonic())
            await asyncio.sleep(0.05)
        for connection in list(self._connections):
            connection.transport.abort()
        await asyncio.sleep(0)
        if self._timer is not None:
            self._timer.cancel()
        if self._probing is not None:
            self._probing.cancel()
        for pool in self.pools.values():
            pool.close()
        if self._writing is not None:
            await self._writing
        await self._write_uses()
        self.log.close()

    # --- connections ---

    def _admit_unseen(self, handshake: TlsHandshake) -> bool:
        handshake.peer = peer_of(handshake.transport, "https", self.is_trusted)
        return self.admit(handshake)

    def admit(self, connection: Downstream | TlsHandshake) -> bool:
        """Count a connection; False where there are too many, or too many from its source."""
        peer = connection.peer
        if len(self._connections) >= self.shares.clients or self.draining:
            return False
        exempt = peer.trusted or peer.address == LOCAL
        source = source_of(peer.address)
        if not exempt and self._sources[source] >= self._per_source:
            return False
        self._connections.add(connection)
        self._sources[source] += 1
        return True

    def leave(self, connection: Downstream | TlsHandshake) -> None:
        """Count a connection out."""
        if not connection.admitted:
            return
        self._connections.discard(connection)
        source = source_of(connection.peer.address)
        self._sources[source] -= 1
        if not self._sources[source]:
            del self._sources[source]

    @property
    def connected(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    def is_trusted(self, address: str) -> bool:
        """Whether what this address says of its own client counts."""
        networks = self._config.trusted_proxies
        if not networks or address == LOCAL:
            return False
        ip = ipaddress.ip_address(address.partition("%")[0])
        return any(ip in network for network in networks)

    # --- time ---

    def _tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(TICK, self._tick)
        self.now = now = time.monotonic()
        self.wall = time.time_ns() // 1_000_000
        self.date = _date()
        self.end_what_is_over(now)
        for pool in self.pools.values():
            pool.tick()
        self.log.flush()
        self._ticks += 1
        if self._ticks % USES_EVERY == 0 and (self._writing is None or self._writing.done()):
            self._writing = asyncio.ensure_future(self._write_uses())

    def end_what_is_over(self, now: float) -> None:
        """Of the connections, at this monotonic time. What began since the last tick is dated by
        that: nothing ends before its time, unless the event loop stood still."""
        for connection in list(self._connections):
            connection.tick(now - TICK)

    async def _write_uses(self) -> None:
        try:
            await self.uses.write()
        except StoreUnavailable as error:
            log.warning("uses of keys are not written down yet: %s", error)


def _request_ids() -> Callable[[], bytes]:
    """Ids in the shape of a UUID: random for the process, counted within it."""
    prefix = str(uuid.uuid4())[:24].encode()
    counter = itertools.count(int.from_bytes(os.urandom(4)))
    return lambda: b"%b%012x" % (prefix, next(counter))


def _date() -> bytes:
    return formatdate(usegmt=True).encode()


def _routes(config: Config) -> list[Route]:
    default = next(iter(config.upstreams)) if len(config.upstreams) == 1 else "default"
    return [
        Route(
            path=route.path,
            access=Access(route.access),
            upstream=route.upstream or default,
            methods=frozenset(route.methods) if route.methods is not None else None,
            upgrades=frozenset(route.upgrades),
            readonly_upgrades=route.readonly_upgrades,
            allow=frozenset(mark.encode() for mark in route.allow),
        )
        for route in config.routes
    ]


def _origin(upstream: Upstream) -> Origin:
    authorization = upstream.authorization_value
    return Origin(
        authority=upstream.authority.encode(),
        preserve_host=upstream.preserve_host,
        authorization=authorization.get_secret_value().encode() if authorization else None,
        forward_authorization=upstream.authorization == "forward",
    )


def _dial(upstream: Upstream, max_connections: int) -> Dial:
    return Dial(
        host=upstream.host or "",
        port=upstream.port or 0,
        unix_path=upstream.unix_path,
        tls=client_context(upstream) if upstream.tls else None,
        server_name=upstream.server_name,
        connect_timeout=upstream.connect_timeout,
        first_byte_timeout=upstream.first_byte_timeout,
        idle_timeout=upstream.idle_timeout,
        keepalive_timeout=upstream.keepalive_timeout,
        max_connections=max_connections,
        queue=upstream.queue,
    )


def server_context(tls: Tls) -> ssl.SSLContext:
    """TLS 1.2 and up, HTTP/1.1 only. Raises `WardgateError`."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as error:
        raise WardgateError(f"tls: {tls.certificate}: {error}") from None
    context.set_alpn_protocols(["http/1.1"])
    return context


def client_context(upstream: Upstream) -> ssl.SSLContext:
    """What an upstream over TLS is verified by. Raises `WardgateError`."""
    try:
        context = ssl.create_default_context(cafile=upstream.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise WardgateError(f"ca_file {upstream.ca_file}: {error}") from None
    if not upstream.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


def cannot_listen(listen: Listen, error: OSError) -> WardgateError:
    """What to raise where a listener cannot be opened: the address and the reason, in one line."""
    # asyncio's own text has the address in it once more; a name that resolves to nothing has a
    # negative number, which os.strerror does not know.
    number = error.errno or 0
    reason = os.strerror(number) if number > 0 else error.strerror or error
    return WardgateError(f"cannot listen on {listen}: {reason}")


def _place(server: asyncio.Server, scheme: str) -> str:
    name = server.sockets[0].getsockname()
    if not isinstance(name, tuple):
        return f"unix:{name}"
    host = f"[{name[0]}]" if ":" in name[0] else name[0]
    return f"{scheme}://{host}:{name[1]}"
