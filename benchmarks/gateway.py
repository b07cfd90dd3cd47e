"""A gateway to measure: a store with keys in it, a configuration, a process."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.machine import SERVER_CORE
from benchmarks.processes import ROOT, Server, folder, free_port, process
from proxy.domain import secret
from proxy.domain.model import Account, AccountKind, Environment, Key, Role, State
from proxy.store.open import open_store
from proxy.store.protocols import Store

FIRST_ENVIRONMENT = 10


@dataclass(frozen=True)
class Pair:
    """An access key and its secret."""

    access_key: str
    secret: str

    @property
    def authorization(self) -> str:
        """The value of the Authorization field."""
        return basic(self.access_key, self.secret)


def basic(access_key: str, password: str) -> str:
    """The value of an Authorization field."""
    return "Basic " + base64.b64encode(f"{access_key}:{password}".encode()).decode()


@dataclass(frozen=True)
class Seeded:
    """A store, and what opens what in it."""

    path: Path
    admin: Pair
    """Of an admin account."""
    keys: Sequence[Pair]
    """Key n is one of environment n modulo their number."""


def sealed_pair(seal_key: bytes) -> Pair:
    """A pair as the admin server makes them."""
    access_key = secret.new_access_key()
    return Pair(access_key, secret.generate(access_key, seal_key))


def record(number: int, pair: Pair, stored: bytes, **more: Any) -> Key:
    """An active key of the admin's account, but for `more`."""
    plain = Key(
        id=number, uuid=f"k{number}", access_key=pair.access_key, secret_hash=stored, sealed=True,
        account_id=1, environment_id=None, creator_id=1, role=Role.OWNER, name=f"key {number}",
        description=None, state=State.ACTIVE, created=time.time_ns() // 1_000_000,
    )  # fmt: skip
    return replace(plain, **more)


def seed(
    *, keys: int = 1, environments: int = 1, rounds: int = 4, imported: Sequence[Pair] = (),
    imported_rounds: int = 4, unhashed: int = 0,
) -> Seeded:  # fmt: skip
    """A new store. `imported` are keys without a seal, that all have the first one's secret.

    Beyond `keys` there are `unhashed` ones, whose stored hash is no secret's.
    """
    return asyncio.run(_seed(keys, environments, rounds, imported, imported_rounds, unhashed))


async def _seed(
    keys: int, environments: int, rounds: int, imported: Sequence[Pair], imported_rounds: int,
    unhashed: int,
) -> Seeded:  # fmt: skip
    path = folder("gateway") / "var" / "wardgate.db"
    store = await open_store(f"sqlite:///{path}", create=True)
    try:
        admin = sealed_pair(store.seal_key)
        pairs = [sealed_pair(store.seal_key) for _ in range(keys + unhashed)]
        nobody = b"$2b$%02d$" % rounds + b"." * 53
        hashes = await _hashes(pairs[:keys], rounds) + [nobody] * unhashed
        async with store.write() as change:
            await change.put(Account(1, "a1", AccountKind.ADMIN, "bench", None, State.ACTIVE, 0))
            for each in range(environments):
                number, slug = FIRST_ENVIRONMENT + each, f"e{each}"
                await change.put(
                    Environment(number, f"e{number}", slug, slug, None, State.ACTIVE, 0)
                )
            await change.put(record(1, admin, secret.hash_secret(admin.secret.encode(), 4)))
            for number, (pair, stored) in enumerate(zip(pairs, hashes, strict=True)):
                owner = FIRST_ENVIRONMENT + number % environments
                await change.put(
                    record(2 + number, pair, stored, account_id=None, environment_id=owner)
                )
            await _import(change, imported, imported_rounds, 2 + len(pairs))
    finally:
        await store.close()
    return Seeded(path, admin, pairs)


async def _hashes(pairs: Sequence[Pair], rounds: int) -> list[bytes]:
    """The stored forms, made on all cores."""
    return await asyncio.gather(
        *(asyncio.to_thread(secret.hash_secret, pair.secret.encode(), rounds) for pair in pairs)
    )


async def _import(change: Any, pairs: Sequence[Pair], rounds: int, number: int) -> None:
    if pairs:
        stored = secret.hash_secret(pairs[0].secret.encode(), rounds)
        for each, pair in enumerate(pairs):
            await change.put(record(number + each, pair, stored, sealed=False))


@contextmanager
def gateway(
    seeded: Seeded, upstream: Server, *, api: int = 0, core: int = SERVER_CORE,
    program: Sequence[str] = ("-m", "proxy"), **settings: Any,
) -> Iterator[Server]:  # fmt: skip
    """A gateway on that store in front of `upstream`, with everything on: scopes, identity, log.

    Unlike by default, one address may open as many connections as all clients together, because
    the whole load comes from one address.
    """
    port, where = free_port(), seeded.path.parents[1]
    config: dict[str, Any] = {
        "listen": f"127.0.0.1:{port}",
        "upstream": f"http://127.0.0.1:{upstream.port}",
        "store": f"sqlite:///{seeded.path}",
        "access_log": "access.log",
        "limits": {"connections_per_source": 16000, "drain_timeout": 1},
    } | settings
    if api:
        config["admin"] = {"listen": f"127.0.0.1:{api}"}
    (where / "wardgate.yaml").write_text(json.dumps(config))
    command = [sys.executable, *program, "serve", "-c", "wardgate.yaml"]
    path = {"PYTHONPATH": str(ROOT)}
    with process(command, port, where, core=core, environment=path) as running:
        authorization = (seeded.keys[0] if seeded.keys else seeded.admin).authorization
        yield Server("gateway", running.pid, port, authorization)


async def opened(path: Path) -> Store:
    """The store, for measurements without a gateway."""
    return await open_store(f"sqlite:///{path}")
