"""A gateway in front of servers that it finds by their name, at a DNS server of the test's own."""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proxy.gateway.balancer import Balancer
from proxy.gateway.target import Target
from proxy.targets.status import LookupStatus
from tests.dns_server import DnsServer
from tests.harness import World, running_world, until
from tests.programs import free_port
from tests.proxy.gateway.several import Server

NAME = "api.internal"
SERVICE = f"_http._tcp.{NAME}"


@dataclass
class Resolving:
    """A world whose upstream is a name."""

    world: World
    dns: DnsServer
    servers: Sequence[Server]

    @property
    def balancer(self) -> Balancer:
        """What spreads the requests."""
        return self.world.inside.balancer

    @property
    def lookup(self) -> LookupStatus:
        """What the gateway shows of its lookups."""
        (upstream,) = self.world.node.gateway.upstreams()
        assert upstream.lookup is not None
        return upstream.lookup

    @property
    def targets(self) -> dict[str, Target]:
        """Those in use, by their names."""
        return {each.name: each for each in self.balancer.targets}

    def target(self, server: Server) -> Target:
        """What the gateway knows of a server."""
        return self.targets[server.url]

    def answer_srv(self, *servers: tuple[int, int, Server]) -> None:
        """From now on, the service has these servers, each with its priority and weight."""
        announce(self.dns, *servers)

    def answer(self, *servers: Server) -> None:
        """From now on, the name has the addresses of these servers."""
        self.dns.set(NAME, "A", *(each.host for each in servers))

    async def look_up(self) -> None:
        """Have the name looked up again, as it is when its TTL is over."""
        assert self.balancer.discovery is not None
        await self.balancer.discovery.look_up()

    async def use(self, *servers: Server) -> None:
        """Answer with these servers, and wait until the gateway has them."""
        self.answer(*servers)
        await self.look_up()
        assert set(self.targets) == {each.url for each in servers}

    async def comes_to(self, *servers: Server) -> None:
        """Wait until the gateway uses these servers, as time passes for it."""

        await self.tick_until(lambda: set(self.targets) == {each.url for each in servers})

    async def tick_until(self, holds: Callable[[], bool]) -> None:
        """Wait until `holds()` is true, as time passes for the gateway."""

        def tick_and_ask() -> bool:
            self.balancer.tick()
            return holds()

        await until(tick_and_ask)

    async def ask(self, count: int = 1, **request: Any) -> Counter[int]:
        """Send requests one after the other. Returns the statuses."""
        return Counter(
            [
                int((await self.world.send(self.world.request(**request)))[9:12])
                for _ in range(count)
            ]
        )


def announce(dns: DnsServer, *servers: tuple[int, int, Server]) -> None:
    """Have the service be at these servers, each with its priority and weight."""
    hosts = {f"{each.host.replace('.', '-')}.internal": each.host for _, _, each in servers}
    for name, host in hosts.items():
        dns.set(name, "A", host)
    dns.set(
        SERVICE,
        "SRV",
        *(
            f"{priority} {weight} {each.port} {each.host.replace('.', '-')}.internal."
            for priority, weight, each in servers
        ),
    )


def at(
    count: int, *, apart: bool = False, context: ssl.SSLContext | None = None
) -> Sequence[Server]:
    """So many servers, at 127.0.0.1, 127.0.0.2 and so on, and all at one port, unless `apart`."""
    port = free_port()
    return [
        Server(host=f"127.0.0.{number + 1}", port=0 if apart else port, context=context)
        for number in range(count)
    ]


@asynccontextmanager
async def resolving(
    folder: Path,
    servers: Sequence[Server],
    known: int | None = None,
    prepare: Callable[[DnsServer], None] = lambda _: None,
    **settings: Any,
) -> AsyncIterator[Resolving]:
    """A gateway in front of these servers, the first `known` of which (by default all) the name has
    at first. `settings` are those of the upstream; `resolve` those of the lookups. `prepare`
    changes the DNS server before the gateway starts."""
    dns = DnsServer()
    await dns.start()
    for server in servers:
        await server.start()
    if known != 0:
        dns.set(NAME, "A", *(each.host for each in servers[:known]))
    prepare(dns)
    resolve = {"servers": [dns.place], "networks": ["127.0.0.0/8"], "timeout": 30}
    resolve |= settings.pop("resolve", {})
    scheme = "https" if servers[0].context else "http"
    dial = {"url": f"{scheme}://{NAME}:{servers[0].port}", "resolve": resolve} | settings
    try:
        async with running_world(folder, dial=dial) as world:
            yield Resolving(world, dns, servers)
    finally:
        dns.stop()
        for server in servers:
            await server.kill()
