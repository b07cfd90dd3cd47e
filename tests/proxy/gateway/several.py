"""A gateway in front of several real servers, each of which can be killed, and started again."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proxy.gateway.balancer import Balancer
from proxy.gateway.target import Target
from tests.harness import RecordingUpstream, World, running_world, until


@dataclass
class Server:
    """One target: a recording upstream at a port that stays its own."""

    upstream: RecordingUpstream = field(default_factory=RecordingUpstream)
    port: int = 0
    host: str = "127.0.0.1"
    context: ssl.SSLContext | None = None
    """Whether it speaks TLS, and with which certificate."""
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{'https' if self.context else 'http'}://{self.host}:{self.port}"

    @property
    def asked(self) -> int:
        """How many requests came."""
        return len(self.upstream.requests)

    async def start(self) -> None:
        """Listen, at the port of before if there was one."""
        self._server = await asyncio.start_server(
            self._serve, self.host, self.port, ssl=self.context
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await self.upstream.serve(reader, writer)
        finally:
            self._writers.discard(writer)

    async def kill(self) -> None:
        """End as a process that is killed: nobody listens, and every connection is reset."""
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            writer.transport.abort()
        await asyncio.sleep(0)


@dataclass
class Several:
    """A world whose upstream is some servers."""

    world: World
    servers: Sequence[Server]

    @property
    def balancer(self) -> Balancer:
        """What spreads the requests."""
        return self.world.inside.balancer

    def target(self, server: Server) -> Target:
        """What the gateway knows of a server."""
        (found,) = (each for each in self.balancer.targets if each.name == server.url)
        return found

    def states(self) -> list[str]:
        """The state of each target."""
        return [self.target(each).state for each in self.servers]

    async def ask(self, count: int = 1, **request: Any) -> Counter[int]:
        """Send requests one after the other. Returns the statuses."""
        return Counter(
            [
                int((await self.world.send(self.world.request(**request)))[9:12])
                for _ in range(count)
            ]
        )

    async def becomes(self, server: Server, state: str) -> None:
        """Wait until a target is in this state, while requests come and time passes."""

        async def go_on() -> None:
            while self.target(server).state != state:
                await self.ask()
                self.balancer.tick()
                await asyncio.sleep(0.005)

        await asyncio.wait_for(go_on(), 60)


@asynccontextmanager
async def several(
    folder: Path, count: int = 2, around: dict[str, Any] | None = None, **settings: Any
) -> AsyncIterator[Several]:
    """A gateway in front of so many servers. `settings` are those of the upstream, `around` others
    of the configuration; `each` are those of each target."""
    servers = [Server() for _ in range(count)]
    for server in servers:
        await server.start()
    each = settings.pop("each", [{}] * count)
    targets = [{"url": server.url} | more for server, more in zip(servers, each, strict=True)]
    folder.chmod(0o700)
    try:
        dial = {"targets": targets} | settings
        async with running_world(folder, dial=dial, **(around or {})) as world:
            await until(lambda: all(server.upstream.came.is_set() for server in servers))
            yield Several(world, servers)
    finally:
        for server in servers:
            await server.kill()
