"""A real gateway on a real store, in front of an upstream that keeps every byte.

What tests must see or change of a node's private state is in tests/inside.py.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from proxy.config.load import load
from proxy.domain.model import AccountKind, Environment, Key, Membership, Role
from proxy.gateway.pool import Pool
from proxy.gateway.server import Gateway
from proxy.node import Node
from proxy.store.open import open_store
from proxy.store.protocols import Record, Store
from proxy.telemetry.health import Health
from tests.inside import Inside
from tests.patience import PATIENCE
from tests.support.seed import Pair, account, environment, new_key
from tests.upstream import OK, RecordingUpstream, dechunk

__all__ = [
    "OK",
    "Pair",
    "RecordingUpstream",
    "World",
    "account",
    "alter",
    "dechunk",
    "environment",
    "new_key",
    "renewed",
    "running_world",
    "status",
    "until",
]


@dataclass
class World:
    """A running gateway with two environments, `a` and `b`, and keys for both. The tests of a file
    may share one."""

    node: Node
    upstream: RecordingUpstream
    log_file: Path
    port: int
    admin: Pair
    user: Pair
    """Of an account that is a member of `a` alone."""
    key_a: Pair
    key_b: Pair
    environment_a: Environment
    environment_b: Environment

    @property
    def store(self) -> Store:
        """The node's store."""
        return self.node.store

    @property
    def pool(self) -> Pool:
        """The connections to the upstream."""
        return self.inside.pool

    @property
    def inside(self) -> Inside:
        """The node's private state."""
        return Inside(self.node)

    @property
    def health(self) -> Health:
        """What fails."""
        return self.node.gateway.telemetry.health

    def renew(self) -> None:
        """Let the next test find the gateway as if it had just started: no connection to the
        upstream is kept, no guess is counted, and the upstream answers `OK`."""
        self.pool.close()
        self.inside.forget_guesses()
        self.upstream.forget()
        self.upstream.respond = lambda _request: OK
        self.upstream.handle = None

    def allow_clients(self, **seconds: float) -> None:
        """From now on, the gateway waits for clients for so many seconds, by the names of its
        timeouts."""
        gateway = self.node.gateway
        runtime = gateway.runtime
        timeouts = runtime.timeouts._replace(**seconds)
        alter(gateway, runtime=replace(runtime, timeouts=timeouts))

    def dial(self, **changes: Any) -> None:
        """From now on, the gateway opens connections to the upstream with these changes."""
        self.pool.dial = self.pool.dial._replace(**changes)

    def stop_clock(self) -> None:
        """From now on, time passes for the gateway's connections by `pass_time` alone."""
        self.inside.stop_clock()

    def pass_time(self, seconds: float) -> None:
        """Let time pass for the gateway's connections, whose clock is stopped."""
        gateway = self.node.gateway
        gateway.now += seconds
        alter(gateway, wall=gateway.wall + int(seconds * 1000))
        gateway.end_what_is_over(gateway.now)

    async def put(self, *records: Record) -> None:
        """Change records as the admin server does."""
        async with self.store.write() as change:
            for record in records:
                await change.put(record)

    async def send(self, *pieces: bytes, shut: bool = False, port: int = 0) -> bytes:
        """Send the pieces one by one, and read until the gateway closes. With `shut`, the client
        ends its own side first. `port`: of another listener."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port or self.port)
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                if len(pieces) > 1:
                    await asyncio.sleep(0)
            if shut:
                writer.write_eof()
            return await reader.read()
        finally:
            writer.close()

    async def ask(self, *pieces: bytes) -> bytes:
        """Send the pieces as `send` does, to the listener on which other proxies ask."""
        port = int(self.node.gateway.forward_auth_urls[0].rpartition(":")[2])
        return await self.send(*pieces, port=port)

    async def receive(self, raw: bytes) -> tuple[bytes, bool]:
        """(what a client gets that sends `raw` at once, whether its connection is reset)."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(raw)
        received = b""
        try:
            async with asyncio.timeout(PATIENCE):
                while data := await reader.read(65536):
                    received += data
        except ConnectionResetError:
            return received, True
        finally:
            writer.close()
        return received, False

    def request(
        self,
        target: bytes = b"/v1/projects/a/x",
        *lines: bytes,
        method: bytes = b"GET",
        pair: Pair | None = None,
        close: bool = True,
    ) -> bytes:
        """A well-formed request with `pair`'s credentials (by default the key of `a`)."""
        head = b"%b %b HTTP/1.1\r\nHost: gateway\r\n" % (method, target)
        head += (pair or self.key_a).basic + b"".join(line + b"\r\n" for line in lines)
        return head + (b"Connection: close\r\n\r\n" if close else b"\r\n")

    async def repeat(self, times: int, target: bytes = b"/v1/projects/a/x") -> None:
        """Send the same request so often, on one connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        for _ in range(times):
            writer.write(self.request(target, close=False))
            assert await reader.readuntil(b"\r\n\r\nok")
        writer.close()

    def log(self) -> list[dict[str, Any]]:
        """The access log so far."""
        self.node.gateway.telemetry.flush()
        self.node.gateway.telemetry.log.wait(PATIENCE)
        return [json.loads(line) for line in self.log_file.read_bytes().splitlines()]


async def until(holds: Callable[[], object]) -> None:
    """Wait until `holds()` is true, by asking again and again. Fails after `PATIENCE`."""
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def alter(gateway: Gateway, **values: Any) -> None:
    """Change the configuration, the time, or whether it stops, at once."""
    for name, value in values.items():
        setattr(gateway, name, value)
    gateway.moment = object()


def status(answer: bytes) -> int:
    """The status of the first answer, 0 where there is none."""
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else 0


def renewed(pair: Pair, **changes: Any) -> Key:
    """The key of `pair` with changes."""
    return replace(pair.key, **changes)


@asynccontextmanager
async def running_world(
    folder: Path,
    recorder: RecordingUpstream | None = None,
    dial: dict[str, Any] | None = None,
    **settings: Any,
) -> AsyncIterator[World]:
    """A gateway in front of `recorder`, with `settings` over the smallest configuration.

    `dial` are settings of the upstream. The timeouts are so long that no connection ends because
    the machine was busy for some seconds. The gateway has already tried whether the upstream's port
    is open.
    """
    upstream = recorder or RecordingUpstream()
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    upstream.port = server.sockets[0].getsockname()[1]
    folder.chmod(0o700)
    config_file, log_file = folder / "wardgate.yaml", folder / "access.log"
    default: dict[str, Any] = {
        "url": f"http://127.0.0.1:{upstream.port}",
        "connect_timeout": PATIENCE / 3,
        "keepalive_timeout": PATIENCE,
    }
    if "targets" in (dial or {}):
        del default["url"]
    config: dict[str, Any] = {
        "listen": "127.0.0.1:0",
        "upstreams": {"default": default | (dial or {})},
        "store": f"sqlite:///{folder}/wardgate.db",
        "bcrypt_rounds": 4,
        "access_log": str(log_file),
    } | settings
    config["limits"] = {"drain_timeout": 2} | settings.get("limits", {})
    config_file.write_text(json.dumps(config))
    store = await open_store(config["store"], create=True)
    try:
        pairs = {
            "admin": new_key(store, 1, account_id=1),
            "user": new_key(store, 2, account_id=2),
            "key_a": new_key(store, 3, environment_id=3),
            "key_b": new_key(store, 4, environment_id=4),
        }
        a, b = environment(3, "a"), environment(4, "b")
        async with store.write() as change:
            await change.put(account(1, AccountKind.ADMIN))
            await change.put(account(2, AccountKind.USER))
            await change.put(a)
            await change.put(b)
            for pair in pairs.values():
                await change.put(pair.key)
            await change.put(Membership(1, 2, 3, Role.MEMBER, 0))
        async with Node(load(config_file, {}), store) as node:
            port = int(node.gateway_urls[0].rpartition(":")[2])
            here = World(node, upstream, log_file, port, environment_a=a, environment_b=b, **pairs)
            here.allow_clients(linger=PATIENCE / 3)
            if not {"url", "targets"} & set(dial or {}):
                await upstream.came.wait()
            yield here
    finally:
        await store.close()
        server.close()
