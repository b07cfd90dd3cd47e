"""A real gateway on a real store, an upstream that keeps every byte, and clients that send any."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from proxy.config.load import load
from proxy.domain import secret
from proxy.domain.clock import now_ms
from proxy.domain.model import Account, AccountKind, Environment, Key, Membership, Role, State
from proxy.node import Node
from proxy.store.open import open_store
from proxy.store.protocols import Record, Store
from tests.patience import PATIENCE

Respond = Callable[[bytes], bytes | None]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class RecordingUpstream:
    """An HTTP server that keeps the bytes of each connection, and answers each whole request."""

    respond: Respond = lambda _request: OK
    """What a whole request, as bytes, is answered with; None closes without an answer."""
    connections: list[bytearray] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    """Every whole request, in the order in which they became whole."""
    port: int = 0
    handle: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]] | None = None
    """Takes a connection over instead."""
    came: asyncio.Event = field(default_factory=asyncio.Event)
    """Whether anybody has connected."""

    @property
    def seen(self) -> bytes:
        """Everything that came, over all connections."""
        return b"".join(self.connections)

    def forget(self) -> None:
        """Begin a new record."""
        self.connections = [bytearray() for _ in self.connections]
        self.requests.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.came.set()
        try:
            if self.handle is not None:
                await self.handle(reader, writer)
            else:
                await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(self.connections)
        self.connections.append(bytearray())
        pending = b""
        while data := await reader.read(65536):
            self.connections[number] += data
            pending += data
            while (end := message_end(pending)) is not None:
                request, pending = pending[:end], pending[end:]
                self.requests.append(request)
                answer = self.respond(request)
                if answer is None:
                    return
                writer.write(answer)
                await writer.drain()


def message_end(data: bytes) -> int | None:
    """Where the first message in `data` ends, by the plain framing that the gateway sends."""
    head, blank, body = data.partition(b"\r\n\r\n")
    if not blank:
        return None
    if re.search(rb"(?i)^transfer-encoding: chunked\r?$", head, re.MULTILINE):
        at = 0
        while (line := body.find(b"\r\n", at)) >= 0:
            size = int(body[at:line], 16)
            at = line + 2 + size + 2
            if size == 0:
                return len(head) + 4 + at if at <= len(body) else None
        return None
    length = re.search(rb"(?i)^content-length: *(\d+)\r?$", head, re.MULTILINE)
    end = len(head) + 4 + (int(length[1]) if length else 0)
    return end if end <= len(data) else None


@dataclass(frozen=True)
class Pair:
    """A key and its secret."""

    key: Key
    secret: str

    @property
    def basic(self) -> bytes:
        """The Authorization field, with its CRLF."""
        pair = f"{self.key.access_key}:{self.secret}".encode()
        return b"Authorization: Basic " + base64.b64encode(pair) + b"\r\n"


@dataclass
class World:
    """A running gateway with two environments, `a` and `b`, and keys for both."""

    node: Node
    upstream: RecordingUpstream
    log_file: Path
    port: int
    admin: Pair
    user: Pair
    """Member of `a` only."""
    key_a: Pair
    key_b: Pair
    environment_a: Environment
    environment_b: Environment

    @property
    def store(self) -> Store:
        """The store beneath."""
        return self.node.store

    def allow_clients(self, **seconds: float) -> None:
        """From now on, have the gateway wait for clients so long."""
        gateway = self.node.gateway
        runtime = gateway.runtime
        gateway.runtime = replace(runtime, timeouts=runtime.timeouts._replace(**seconds))

    def dial(self, **changes: Any) -> None:
        """From now on, have the gateway reach the upstream, and wait for it, like this."""
        pool = self.node.gateway.runtime.pools["default"]
        pool.dial = pool.dial._replace(**changes)

    def stop_clock(self) -> None:
        """From now on, time passes for the gateway's connections when it is told to."""
        timer = self.node.gateway._timer
        assert timer is not None
        timer.cancel()

    def pass_time(self, seconds: float) -> None:
        """Have so much time pass, once the clock is stopped."""
        gateway = self.node.gateway
        gateway.now += seconds
        gateway.wall += int(seconds * 1000)
        gateway.end_what_is_over(gateway.now)

    async def put(self, *records: Record) -> None:
        """Change records as the admin server does."""
        async with self.store.write() as change:
            for record in records:
                await change.put(record)

    async def send(self, *pieces: bytes, shut: bool = False) -> bytes:
        """Send pieces, each on its own, and read until the gateway closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
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

    def log(self) -> list[dict[str, Any]]:
        """The access log so far."""
        self.node.gateway.telemetry.log.flush()
        self.node.gateway.telemetry.log.wait(PATIENCE)
        return [json.loads(line) for line in self.log_file.read_bytes().splitlines()]


async def until(holds: Callable[[], object]) -> None:
    """Wait for a condition of which nobody is told; fails where it does not come about."""
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def status(answer: bytes) -> int:
    """The status of the first answer, 0 where there is none."""
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else 0


def account(number: int, kind: AccountKind) -> Account:
    """An active account."""
    return Account(number, f"u{number}", kind, f"account {number}", None, State.ACTIVE, 0)


def environment(number: int, slug: str) -> Environment:
    """An active environment."""
    return Environment(number, f"u{number}", slug, slug, None, State.ACTIVE, 0)


def new_key(
    store: Store,
    number: int,
    *,
    account_id: int | None = None,
    environment_id: int | None = None,
    role: Role = Role.OWNER,
    expires: int | None = None,
) -> Pair:
    """A key with a sealed secret, as the admin server makes them, at the lowest cost."""
    access_key = secret.new_access_key()
    value = secret.generate(access_key, store.seal_key)
    key = Key(
        id=number,
        uuid=f"k{number}",
        access_key=access_key,
        secret_hash=secret.hash_secret(value.encode(), 4),
        sealed=True,
        account_id=account_id,
        environment_id=environment_id,
        creator_id=None,
        role=role,
        name=None,
        description=None,
        state=State.ACTIVE,
        created=now_ms(),
        expires=expires,
    )
    return Pair(key, value)


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

    `dial` are settings of the upstream. No connection ends because the machine was busy elsewhere
    for some seconds, unless it is told to; and the gateway has asked whether the upstream is there.
    """
    upstream = recorder or RecordingUpstream()
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    upstream.port = server.sockets[0].getsockname()[1]
    folder.chmod(0o700)
    config_file, log_file = folder / "wardgate.yaml", folder / "access.log"
    default = {
        "url": f"http://127.0.0.1:{upstream.port}",
        "connect_timeout": PATIENCE / 3,
        "keepalive_timeout": PATIENCE,
    }
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
            if "url" not in (dial or {}):
                await upstream.came.wait()
            yield here
    finally:
        await store.close()
        server.close()


def dechunk(data: bytes) -> bytes:
    """The body of chunks without extensions."""
    body, at = b"", 0
    while True:
        line = data.index(b"\r\n", at)
        size = int(data[at:line], 16)
        if not size:
            return body
        body += data[line + 2 : line + 2 + size]
        at = line + 4 + size
