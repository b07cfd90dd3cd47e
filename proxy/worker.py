"""One worker: a gateway without a store, which reads records through the keeper.

Tested in `tests/test_workers.py`.
"""

from __future__ import annotations

import asyncio
from typing import Any

from proxy.auth.authenticator import Authenticator
from proxy.auth.records import CachedRecords
from proxy.cluster.follower import FIRST_LOOK, LAST_LOOK
from proxy.cluster.settling import Settling
from proxy.config.model import Config
from proxy.domain.clock import now_ms
from proxy.domain.errors import StoreUnavailable
from proxy.domain.lease import boottime
from proxy.gateway.limiter import Limiter
from proxy.gateway.process import Process
from proxy.gateway.reload import merge
from proxy.gateway.server import Gateway
from proxy.keeping import BEAT
from proxy.metrics.all import metrics_of
from proxy.metrics.registry import Metrics
from proxy.metrics.reports import report_json
from proxy.metrics.upstreams import of_upstreams
from proxy.processes.inherited import Inherited
from proxy.store.protocols import Changes, StoreError
from proxy.telemetry.tracing import tracer_of
from proxy.telemetry.usage import UsageRecorder
from proxy.workers.link import Link
from proxy.workers.remote_store import RemoteStore
from proxy.workers.sharing import WorkerSharing
from proxy.workers.sources import SharedCounts


class Worker:
    """A gateway in a slot of the master, as a context in which it serves."""

    gateway: Gateway

    def __init__(self, config: Config, inherited: Inherited) -> None:
        self._config = config
        self._inherited = inherited
        self._link = Link(inherited.shared.bus, inherited.slot, inherited.shared.state)
        self.replaced = False
        """Whether another process has its clients from now on."""
        self._asked = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def config(self) -> Config:
        """The configuration in use."""
        return self.gateway.config

    async def reload(self, config: Config) -> None:
        """Go on with another configuration. The keeper says what is kept as it was."""
        await self.gateway.reload(merge(self.config, config)[0])

    async def __aenter__(self) -> Worker:
        shared, link = self._inherited.shared, self._link
        store = RemoteStore(link)
        self._records = records = CachedRecords(store)
        records.lease = link.lease
        link.listener = records.apply
        try:
            await link.start()
        except StoreUnavailable as error:
            raise StoreError(str(error)) from None
        sharing = WorkerSharing(link, shared.state, shared.secret)
        self._authenticator = Authenticator(records, link.seal_key, now_ms, sharing)
        link.matched = self._authenticator.learn
        self._usage = UsageRecorder(store)
        self._tracer = tracer_of(self._config.tracing)
        self.gateway = Gateway(
            self._config,
            records,
            self._authenticator,
            self._usage,
            Limiter(store, rates=store),
            self._tracer,
            self._process(),
        )
        self._metrics = Metrics(
            *metrics_of(self.gateway, self._authenticator, records, self._usage),
            lambda: of_upstreams(self.gateway.upstreams()),
        )
        self._settling = Settling(self.gateway.settle, lambda: records.version)
        link.listener = self._listen
        link.asked = self._asked.set
        link.report = self._report
        await records.start()
        await self.gateway.start()
        self._tasks = [asyncio.create_task(each) for each in (self._beat(), self._settle())]
        return self

    def _listen(self, changes: Changes | None) -> None:
        self._records.apply(changes)
        self._settling.listen(changes)

    async def _settle(self) -> None:
        """Look at all requests whenever somebody waits for that, for ever."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            number, pause = self._link.lease.applied, FIRST_LOOK
            while (settled := self._settling.settle(number)) < number:
                await asyncio.sleep(pause)
                pause = min(2 * pause, LAST_LOOK)
            self._link.tell("settled", settled)

    def _process(self) -> Process:
        given, shared = self._inherited, self._inherited.shared
        sources = SharedCounts(shared.state, given.slot, shared.generation, shared.secret)
        return Process(shared.state.slots, given.sockets, sources)

    def _report(self) -> Any:
        health = self.gateway.telemetry.health.current
        return report_json(health, self.gateway.upstreams(), self._metrics.own())

    async def _beat(self) -> None:
        """Give signs of life, for ever."""
        while True:
            self._inherited.shared.state.set_beat(self._inherited.slot, boottime())
            await asyncio.sleep(BEAT)

    async def __aexit__(self, *_: object) -> None:
        await self.gateway.stop(replaced=self.replaced)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._link.tell("goodbye", self._report())
        await self._link.stop()
        self._authenticator.close()
        if self._tracer is not None:
            await asyncio.to_thread(self._tracer.close)
