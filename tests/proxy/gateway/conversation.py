"""A client and an upstream on either side of a gateway, without sockets: a test says who sends what
when, and sees what each has got.

What a conversation tells is the same for the same events, however the gateway has come to it:
request ids are numbered in the order in which they appear, and durations and times are left out.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from proxy.gateway.downstream import Downstream
from proxy.gateway.exchange import Exchange
from proxy.gateway.upstream import UpstreamConnection
from proxy.gateway.upstream_interfaces import ResponseHandler
from tests.harness import World
from tests.memory import Memory
from tests.patience import PATIENCE

HEAD: Final = (
    b"GET /v1/projects/a/x HTTP/1.1\r\nHost: h\r\nX-Number: %d\r\nAuthorization: %b\r\n\r\n"
)
ANSWER: Final = b"HTTP/1.1 200 OK\r\nServer: api\r\nContent-Length: 5\r\n\r\nhello"
_ID: Final = re.compile(rb"[0-9a-f]{8}-[0-9a-f-]{15}[0-9a-f]{12}")


@contextmanager
def without_repeats() -> Iterator[None]:
    """An exchange for each request."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Exchange, "course", None)
        yield


@dataclass
class Told:
    """What a conversation has led to."""

    client: list[bytes] = field(default_factory=list)
    """What the client got, by event; at the end whether its connection has ended."""
    upstream: list[bytes] = field(default_factory=list)
    """The same of the upstream's connections."""
    log: list[dict[str, Any]] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)


class Conversation:
    """One connection of a client; the upstream has one connection at a time."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.gateway = world.node.gateway
        self.authorization = world.key_a.basic.partition(b":")[2].strip()
        self.told = Told()
        self._ids: dict[bytes, bytes] = {}
        self.gateway.telemetry.flush()
        self._forget_counters()
        self.client = Memory()
        self.downstream = Downstream(self.gateway)
        self.downstream.connection_made(self.client)
        self.connections: list[UpstreamConnection] = []
        world.pool._connect = self._connect  # type: ignore[method-assign]

    # --- events ---

    def head(self, number: int = 0) -> bytes:
        """A request that differs from others of its kind in a number."""
        return HEAD % (number, self.authorization)

    async def warm(self) -> None:
        """Three requests, after which the next one may be a repeated one."""
        for _ in range(3):
            await self.asks(self.head())
            self.answers(ANSWER)
        assert self.told.client[-1].endswith(b"hello")

    async def asks(self, *pieces: bytes) -> None:
        """The client sends these pieces, one by one."""
        self._connect_one()
        for piece in pieces:
            if not self.client.ended:
                self.downstream.data_received(piece)
        await self._settled()

    def answers(self, *pieces: bytes) -> None:
        """The upstream sends these pieces, one by one, on its last connection."""
        for piece in pieces:
            if self.connections and not self._wire.ended:
                self.connections[-1].data_received(piece)
        self._note()

    def upstream_ends(self, error: Exception | None = None) -> None:
        """The upstream closes its last connection, or it fails."""
        if self.connections and not self._wire.ended:
            self._wire.ended = True
            connection = self.connections.pop()
            if error is None:
                connection.eof_received()
            connection.connection_lost(error)
        self._note()

    def client_ends(self, error: Exception | None = None) -> None:
        """The client sends no more; or its connection fails."""
        if error is not None:
            self.client.ended = True
            self.downstream.connection_lost(error)
        elif not self.client.ended:
            self.downstream.eof_received()
        self._note()

    def client_stalls(self, stalls: bool) -> None:
        """The client does not read, or does again."""
        if not self.client.ended:
            (self.downstream.pause_writing if stalls else self.downstream.resume_writing)()
        self._note()

    def upstream_stalls(self, stalls: bool) -> None:
        """The upstream does not read, or does again."""
        if self.connections and not self._wire.ended:
            connection = self.connections[-1]
            (connection.pause_writing if stalls else connection.resume_writing)()
        self._note()

    def ticks(self, seconds: float) -> None:
        """Time passes for the client's connection."""
        if not self.client.ended:
            self.gateway.now += seconds
            self.downstream.tick(self.gateway.now)
        self._note()

    def settles(self) -> None:
        """The gateway looks whether what is in progress is still permitted."""
        self.gateway.settle(self.gateway.runtime.decider.version)
        self._note()

    async def ends(self) -> Told:
        """Nothing more happens. What it all has led to."""
        await self._settled()
        if self.downstream.admitted:
            self.downstream.connection_lost(None)
        self._note()
        self.told.client.append(b"ended" if self.client.ended else b"open")
        self.gateway.telemetry.settle()
        self.gateway.telemetry.log.add_shared()
        lines = self.gateway.telemetry.log._lines  # a conversation has fewer than are handed over
        told = map(json.loads, map(self._without_ids, lines))
        self.told.log = [
            {name: value for name, value in each.items() if name not in {"time", "ms"}}
            | {"upstream_ms": "upstream_ms" in each}
            for each in told
        ]
        self.told.counted = self._counters()
        return self.told

    # --- what it consists of ---

    @property
    def _wire(self) -> Memory:
        transport = self.connections[-1].transport
        assert isinstance(transport, Memory)
        return transport

    def _open(self) -> UpstreamConnection:
        connection = UpstreamConnection(self.world.pool)
        connection.connection_made(Memory())
        self.connections.append(connection)
        self.world.pool._open.add(connection)
        return connection

    def _connect(self, handler: ResponseHandler) -> None:
        """In place of `Pool._connect`: a connection opens at once."""
        handler.connected(self._open())

    def _connect_one(self) -> None:
        """Have one idle connection where there is none at all, as after a first request."""
        if not self.connections or self._wire.ended:
            self.world.pool.release(self._open(), self.world.pool.clock())

    async def _settled(self) -> None:
        """Let tasks end which a request may have begun."""
        async with asyncio.timeout(PATIENCE):
            while getattr(self.downstream._handler, "phase", None) is not None:
                task = getattr(self.downstream._handler, "_task", None)
                if task is None or task.done():
                    break
                await asyncio.sleep(0)
        await asyncio.sleep(0)
        self._note()

    def _note(self) -> None:
        for told, transports in (
            (self.told.client, [self.client]),
            (self.told.upstream, [each.transport for each in self.connections]),
        ):
            for transport in transports:
                assert isinstance(transport, Memory)
                text = b"".join(transport.writes) + b"<ended>" * transport.ended
                transport.writes.clear()
                told.append(self._without_ids(text))
        lost = [each for each in self.connections if each.transport.ended]  # type: ignore[attr-defined]
        for each in lost:
            self.connections.remove(each)
            each.connection_lost(None)

    def _without_ids(self, text: bytes) -> bytes:
        return _ID.sub(lambda id_: self._ids.setdefault(id_[0], b"<%d>" % len(self._ids)), text)

    def _forget_counters(self) -> None:
        telemetry, usage = self.gateway.telemetry, self.gateway.usage
        for each in (telemetry.latencies, telemetry.by_reason, usage._usage, usage._uses):
            each.clear()

    def _counters(self) -> Counter[str]:
        telemetry, usage = self.gateway.telemetry, self.gateway.usage
        counters = Counter({f"reason {code}": n for code, n in telemetry.by_reason.items()})
        for labels, histogram in telemetry.latencies.items():
            counters[f"latency {labels}"] += histogram.count
        for series, counter in usage._usage.items():
            for name in ("requests", "received", "sent"):
                counters[f"{name} {series[1:]}"] += getattr(counter, name)
        for secret, use in usage._uses.items():
            counters[f"uses {secret} from {use.address} {use.networks}"] += use.count
        return counters
