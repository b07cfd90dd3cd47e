"""One process with a store, the gateway and the admin server: the only place where they are
wired."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence

from admin.api.hosts import LOCAL, Hosts
from admin.api.server import AdminServer
from admin.app import create_app
from admin.service import Place, upkeep
from admin.service.quiet_rotations import QuietRotations
from admin.webhooks.expiry_notices import ExpiryNotices
from admin.webhooks.sender import Sender
from proxy.auth.authenticator import Authenticator
from proxy.auth.credentials import parse
from proxy.auth.explain import Explanation, explain, explain_with_limits, upstream_path
from proxy.auth.records import CachedRecords
from proxy.cluster.alone import Alone
from proxy.cluster.duty import while_chosen
from proxy.cluster.following import Following
from proxy.cluster.settling import Settles, Settling
from proxy.cluster.sightings import Sightings
from proxy.cluster.waiter import Waiter
from proxy.config.model import Admin, Config
from proxy.config.webhooks import Webhook
from proxy.config.workers import processes
from proxy.domain.audit import Actor, Entry
from proxy.domain.clock import now_ms
from proxy.domain.model import Deny, Environment, Key, Principal
from proxy.domain.routes import Access
from proxy.domain.settings import ACCESS_CONTROL
from proxy.gateway.limiter import Limiter
from proxy.gateway.process import Process
from proxy.gateway.reload import merge
from proxy.gateway.server import Gateway, cannot_listen
from proxy.keeping import Keeping, urls_of
from proxy.metrics.all import metrics_of
from proxy.metrics.cluster import of_cluster
from proxy.metrics.keys import of_keys
from proxy.metrics.registry import Metrics
from proxy.metrics.upstreams import of_upstreams
from proxy.store.protocols import Store
from proxy.store.retention import (
    DELIVERY_DAYS,
    AuditRetention,
    DeliveryRetention,
    Retention,
    UsageRetention,
)
from proxy.targets.status import UpstreamStatus
from proxy.telemetry.expiring import ExpiringKeys
from proxy.telemetry.tracing import tracer_of
from proxy.telemetry.usage import UsageRecorder

log = logging.getLogger("wardgate")

SERVING = "wardgate serve"
"""The name under which the serving process holds the lock of the store."""


class Node:
    """The gateway and the admin server over one open store, as a context in which they serve."""

    def __init__(
        self,
        config: Config,
        store: Store,
        *,
        keeping: Keeping | None = None,
        process: Process | None = None,
    ) -> None:
        """With `keeping`, workers have the clients, and this process has the rest. Raises
        `WardgateError` where the access log cannot be opened, or a package is missing."""
        self._keeping = keeping
        self.store = store
        self.records = CachedRecords(store)
        cells = None if keeping is None else keeping.cells
        self.authenticator = Authenticator(self.records, store.seal_key, now_ms, cells=cells)
        self.usage = UsageRecorder(store)
        shared = keeping is not None or store.feed is not None
        self.limiter = Limiter(store, rates=store if shared else None)
        self.tracer = tracer_of(config.tracing)
        parts = self.records, self.authenticator, self.usage, self.limiter, self.tracer
        self.gateway = Gateway(config, *parts, process)
        store.watch(
            self.gateway.telemetry.health.watch(
                "store", "store:", "%s; changes are refused until it can", "it can be written again"
            )
        )
        self.expiring = ExpiringKeys(store, now_ms)
        self.webhooks = Sender(store, self._webhooks, now_ms)
        store.announce_to(self.webhooks.wanting, self.webhooks.wake)
        self.gateway_urls: list[str] = []
        self.admin_urls: list[str] = []
        self._admin_server: AdminServer | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._admin_hosts = Hosts()
        self._settling = Settling(self.gateway.settle, lambda: self.records.version)
        self._following: Following | None = None
        self._waiter: Waiter | None = None

    @property
    def config(self) -> Config:
        """The configuration in use."""
        return self.gateway.config

    @property
    def waiter(self) -> Waiter:
        """What waits for all nodes, once this one has begun."""
        assert self._waiter is not None
        return self._waiter

    async def reload(self, config: Config) -> None:
        """Go on with another configuration, from the next request on. Nothing ends by it. A warning
        names each setting that is kept as it was, because only a restart can change it."""
        config, kept = merge(self.config, config)
        for line in kept:
            log.warning("%s", line)
        await self.gateway.reload(config)
        # In the same step of the event loop, so that no request finds a half of each.
        self.gateway_urls = urls_of(self.gateway, self._keeping)
        if self._admin_server is not None and config.admin is not None:
            self._use(config.admin, self._admin_server)

    async def __aenter__(self) -> Node:
        if self._keeping is not None:
            self.store.subscribe(self._keeping.hub.apply)
            await self._keeping.start()  # first: from here on, workers wait for what it tells
        self.store.subscribe(self.records.apply)
        self.store.subscribe(self._settling.listen)
        try:
            await self._follow()
            await self._settle_access_control()
            await self.records.start()
            await self._start_gateway()
            if self.config.admin is not None:
                await self._start_admin_server(self.config.admin)
                for url in self.admin_urls:
                    log.info("admin server on %s", url)
            self._start_tasks()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def _start_gateway(self) -> None:
        if self._keeping is not None:
            self.gateway.start_ticks()
            self.gateway_urls = urls_of(self.gateway, self._keeping)
            return
        self.gateway_urls = await self.gateway.start()
        for url in self.gateway_urls:
            log.info("gateway on %s", url)
        for url in self.gateway.forward_auth_urls:
            log.info("forward-auth on %s", url)

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._waiter is not None:
            self._waiter.end()
        stopping = [self.gateway.stop()]
        if self._admin_server is not None:
            stopping.append(self._admin_server.stop())
        await asyncio.gather(*stopping)
        stays = self._keeping is not None and await self._keeping.stop()
        if self._following is not None:  # until now: requests went on by its lease
            await (self._following.hand_over() if stays else self._following.stop())
        self.authenticator.close()
        if self.tracer is not None:
            await asyncio.to_thread(self.tracer.close)

    async def _follow(self) -> None:
        """Become one of the nodes of a store that is shared, or the only one of another."""
        cluster, feed, told, workers = self.config.cluster, self.store.feed, None, 1
        settles: Settles = self._settling
        if self._keeping is not None:
            settles, told = self._keeping.hub, self._keeping.set_lease
            workers = processes(self.config.workers)
        if feed is None:
            alone = Alone(cluster.node_name, settles, now_ms)
            self.store.subscribe(alone.listen)
            await alone.start(self.store)
            self._waiter = Waiter(alone, Sightings(), cluster.beat, shared=False)
            if told is not None:
                told(float("inf"))  # nobody else changes anything
        else:
            self._following = following = await Following.begin(
                feed, cluster, settles, told, workers
            )
            self.records.lease = following.lease
            self._waiter = Waiter(feed, following.follower.sightings, cluster.beat)

    def _start_tasks(self) -> None:
        """Begin to do what is due, of which one node does most for all."""
        feed = self.store.feed
        endless = [upkeep.run([self.expiring.count])]
        if self._keeping is not None:
            endless.append(self._keeping.run())
        endless.append(while_chosen(lambda: feed is None or feed.chosen, self._duties))
        self._tasks = [asyncio.create_task(work) for work in endless]

    def _duties(self) -> list[Coroutine[None, None, None]]:
        """To delete what is too old, and to tell webhooks."""
        config, each = self.config, list[Retention]()
        each.append(UsageRetention(self.store, config.usage_retention, now_ms))
        each.append(DeliveryRetention(self.store, DELIVERY_DAYS, now_ms))
        if config.audit_retention is not None:
            each.append(AuditRetention(self.store, config.audit_retention, now_ms))
        quiet = QuietRotations(self.store, now_ms, self.usage.write)
        endless = [retention.run() for retention in each]
        notices = ExpiryNotices(self.store, now_ms, self._expiring_days, self.webhooks.wanting)
        jobs = [quiet.tick, notices.tick]
        if self.store.feed is not None:
            jobs.append(self.store.feed.prune)
        return [*endless, upkeep.run(jobs), self.webhooks.run()]

    def _webhooks(self) -> Mapping[str, Webhook]:
        return {} if self.config.admin is None else self.config.admin.webhooks

    def _expiring_days(self) -> Sequence[int]:
        return () if self.config.admin is None else self.config.admin.expiring_days

    async def _settle_access_control(self) -> None:
        """Store the configured value at the first start; from then on the stored value counts."""
        _, settings = await self.store.load_settings()
        configured = "on" if self.config.access_control else "off"
        stored = settings.get(ACCESS_CONTROL)
        if stored is None:
            async with self.store.write() as change:
                stored = (await change.settings()).get(ACCESS_CONTROL)
                if stored is not None:
                    return  # another node was first
                await change.put_setting(ACCESS_CONTROL, configured)
                entry = Entry(
                    time=change.now(now_ms),
                    actor=Actor(),
                    action="setting.update",
                    subject=ACCESS_CONTROL,
                    before=None,
                    after={"value": configured},
                )
                await change.record(entry)
        log.info(
            "access control is %s (%s)",
            stored or configured,
            "the stored setting" if stored else "from the configuration, now stored",
        )

    async def _start_admin_server(self, admin: Admin) -> None:
        app = create_app(
            store=self.store,
            checker=Checker(self.authenticator, self.records, self.usage, now_ms),
            endpoint_of=self.endpoint_of,
            explain=self._explain,
            look=self.limiter.look,
            waiter=self.waiter,
            bcrypt_rounds=self.config.bcrypt_rounds,
            health=self._health,
            ready=self._is_ready,
            metrics=self._metrics().text,
            upstreams=self._upstreams,
            usage_days=self.config.usage_retention,
            hosts=lambda: self._admin_hosts,
            webhooks=lambda: list(self._webhooks()),
            routes=lambda: [Place(each.path, each.access) for each in self.config.routes],
            oidc=lambda: self.config.admin.oidc if self.config.admin else None,
            is_trusted=self._is_trusted,
        )
        self._admin_server = server = AdminServer(
            app, connections=self.gateway.shares.admin, is_trusted=self._is_trusted
        )
        self._use(admin, server)
        await server.start()
        for listen in admin.listen:
            try:
                await server.listen(listen)
            except OSError as error:
                raise cannot_listen(listen, error) from None
        self.admin_urls = _urls(admin, server)

    def _health(self) -> list[str]:
        own = self.gateway.telemetry.health.current
        workers = [] if self._keeping is None else self._keeping.reports.health
        return list(dict.fromkeys([*own, *workers]))

    def _is_ready(self) -> bool:
        serves = self._keeping is None or bool(self._keeping.hub.workers)
        leased = self.records.ready and self.records.leased
        return serves and leased and not self.gateway.draining

    def _upstreams(self) -> list[UpstreamStatus]:
        return (
            self.gateway.upstreams() if self._keeping is None else self._keeping.reports.upstreams
        )

    def _metrics(self) -> Metrics:
        sources = [
            *metrics_of(self.gateway, self.authenticator, self.records, self.usage),
            lambda: of_upstreams(self._upstreams()),
            lambda: of_keys(self.expiring.counts),
            lambda: of_cluster(self._following),
        ]
        if self._keeping is None:
            return Metrics(*sources)
        return Metrics(*sources, add=self._keeping.reports.with_metrics)

    def _use(self, admin: Admin, server: AdminServer) -> None:
        """Have the admin server go by these settings."""
        server.use(admin.tls.context if admin.tls else None, self.config.limits.drain_timeout)
        self._admin_hosts = hosts_of(admin)
        self.admin_urls = _urls(admin, server)

    def _is_trusted(self, address: str) -> bool:
        """Whether a peer with this address is a trusted proxy, by the configuration in use."""
        return self.gateway.runtime.is_trusted(address)

    async def _explain(
        self, key: Key, method: str, target: str, origin: str | None, address: str
    ) -> Explanation:
        runtime = self.gateway.runtime
        size = runtime.limits.line_size
        verdict = await explain(runtime.decider, key, method, target, size, origin, address)
        explanation = await explain_with_limits(self.limiter.look, verdict)
        return explanation._replace(upstream_path=upstream_path(explanation.verdict, target))

    def endpoint_of(self, environment: Environment | None) -> str:
        """The URL at which a key is used: the gateway's, and for an environment key its path
        too."""
        return endpoint_of(self.config, self.gateway_urls[0], environment)


def endpoint_of(config: Config, gateway_url: str, environment: Environment | None) -> str:
    """The URL at which a key is used, for a gateway at `gateway_url` unless the configuration has a
    `public_url`."""
    base = config.public_url or gateway_url
    if environment is not None:
        for route in config.routes:
            head, found, _ = route.path.partition("/{environment}")
            if found and route.access == Access.ENVIRONMENT.value:
                return f"{base}{head}/{environment.slug}"
    return base


def _urls(admin: Admin, server: AdminServer) -> list[str]:
    """The URLs or `unix:` paths of the admin server's listeners."""
    scheme = "https" if admin.tls else "http"
    return [
        f"{scheme}://{each[0]}:{each[1]}" if isinstance(each, tuple) else f"unix:{each}"
        for each in server.addresses
    ]


def hosts_of(admin: Admin) -> Hosts:
    """The host names under which the admin server answers: the configured ones, or else those of
    its listeners and localhost."""
    if admin.hosts is not None:
        return Hosts(frozenset(admin.hosts), admin.public_url)
    own = {str(listen).lower().rpartition(":")[0] for listen in admin.listen if listen.path is None}
    return Hosts(LOCAL | own, admin.public_url)


class Checker:
    """Authenticates requests to the admin server, with the gateway's authenticator."""

    def __init__(
        self,
        authenticator: Authenticator,
        records: CachedRecords,
        usage: UsageRecorder,
        clock: Callable[[], int],
    ) -> None:
        self._authenticator = authenticator
        self._records = records
        self._usage = usage
        self._clock = clock

    @property
    def leased(self) -> bool:
        """Implements `CredentialChecker`."""
        return self._records.leased

    async def await_lease(self) -> None:
        """Implements `CredentialChecker`."""
        await self._records.await_lease()

    async def check(self, authorization: bytes | None, source: str) -> Principal | Deny:
        """The principal of a request. `authorization` is the value of its field; `source` is the
        client's address. Raises `StoreUnavailable` and `Busy`."""
        given = parse(None if authorization is None else [authorization])
        if isinstance(given, Deny):
            return given
        principal = await self._authenticator.authenticate(given, source)
        if isinstance(principal, Principal):
            self._usage.note(principal.key, self._clock(), source, principal.previous)
        return principal
