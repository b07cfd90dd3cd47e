"""A gateway to measure: a store with keys in it, a configuration, a process."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import SERVER_CORE
from benchmarks.processes import ROOT, Server, folder, free_port, process
from proxy.auth import password_hash
from proxy.domain.audit import Actor, Entry
from proxy.domain.clock import now_ms
from proxy.domain.limits import NONE, Limits
from proxy.domain.model import AccountKind, Key
from proxy.store.open import open_store
from proxy.store.protocols import Transaction
from tests.support.credentials import Credentials
from tests.support.seed import account, environment, key, new_credentials, new_key

FIRST_ENVIRONMENT = 10
STORE = Path("var", "wardgate.db")
"""In the folder of a gateway."""


@dataclass(frozen=True)
class Seeded:
    """A store, and the credentials of its keys."""

    path: Path
    admin: Credentials
    """Those of a key of an admin account."""
    keys: Sequence[Credentials]
    """Key n belongs to environment n modulo the number of environments."""


def seed(
    *, keys: int = 1, environments: int = 1, rounds: int = 4, imported: Sequence[Credentials] = (),
    imported_rounds: int = 4, unhashed: int = 0, limits: Limits = NONE,
) -> Seeded:  # fmt: skip
    """A new store. `imported` are keys without a seal, which all have the secret of the first one.

    Apart from `keys` there are `unhashed` ones, whose stored hash is that of no secret. All of
    these have `limits`, and so have their environments.
    """
    return asyncio.run(
        _seed(keys, environments, rounds, imported, imported_rounds, unhashed, limits)
    )


async def _seed(
    keys: int, environments: int, rounds: int, imported: Sequence[Credentials],
    imported_rounds: int, unhashed: int, limits: Limits,
) -> Seeded:  # fmt: skip
    path = folder("gateway") / STORE
    store = await open_store(f"sqlite:///{path}", create=True)
    try:
        admin = new_key(store, 1, account_id=1, creator_id=1)
        made = [new_credentials(store.seal_key) for _ in range(keys + unhashed)]
        of_no_secret = b"$2b$%02d$" % rounds + b"." * 53
        hashes = await _hashes(made[:keys], rounds) + [of_no_secret] * unhashed
        async with store.write() as change:
            await change.put(account(1, AccountKind.ADMIN))
            begun = Entry(now_ms(), Actor(), "account.create", "1a1", None, {"kind": "admin"})
            await change.record(begun)
            for each in range(environments):
                await change.put(environment(FIRST_ENVIRONMENT + each, f"e{each}", limits=limits))
            await change.put(admin.key)
            for number, (one, stored) in enumerate(zip(made, hashes, strict=True)):
                owner = FIRST_ENVIRONMENT + number % environments
                changes = {"environment_id": owner, "limits": limits}
                await change.put(_record(2 + number, one, stored, **changes))
            await _import(change, imported, imported_rounds, 2 + len(made))
    finally:
        await store.close()
    return Seeded(path, admin.credentials, made)


def _record(number: int, one: Credentials, stored: bytes, **changes: Any) -> Key:
    named = {"name": f"key {number}", "creator_id": 1}
    return key(number, one.access_key, stored, **named | changes)


async def _hashes(made: Sequence[Credentials], rounds: int) -> list[bytes]:
    """The stored forms, made on all cores."""
    return await asyncio.gather(
        *(asyncio.to_thread(password_hash.hash_secret, one.secret.encode(), rounds) for one in made)
    )


async def _import(
    change: Transaction, imported: Sequence[Credentials], rounds: int, number: int
) -> None:
    if imported:
        stored = password_hash.hash_secret(imported[0].secret.encode(), rounds)
        for each, one in enumerate(imported, number):
            await change.put(_record(each, one, stored, sealed=False, account_id=1))


@contextmanager
def gateway(
    seeded: Seeded, upstream: Server, *, api: int = 0, core: int | str = SERVER_CORE,
    program: Sequence[str] = ("-m", "proxy"), **settings: Any,
) -> Iterator[Server]:  # fmt: skip
    """A gateway on that store in front of `upstream`, with everything on: scopes, identity, log.

    Unlike by default, one address may open as many connections as all clients together, because
    the whole load comes from one address.
    """
    port, where = free_port(), seeded.path.parents[1]
    if api:
        settings["admin"] = {"listen": f"127.0.0.1:{api}"}
    configure(where, port, upstream, **settings)
    command = [sys.executable, *program, "serve", "-c", "wardgate.yaml"]
    path = {"PYTHONPATH": str(ROOT)}
    with process(command, port, where, core=core, environment=path) as running:
        authorization = (seeded.keys[0] if seeded.keys else seeded.admin).authorization
        yield Server("gateway", running.pid, port, authorization)


def configure(where: Path, port: int, upstream: Server, **settings: Any) -> None:
    """Write the configuration of a gateway whose store is in the folder `where`."""
    config: dict[str, Any] = {
        "listen": f"127.0.0.1:{port}",
        "upstream": f"http://127.0.0.1:{upstream.port}",
        "store": f"sqlite:///{where}/{STORE}",
        "access_log": "access.log",
        "limits": {"connections_per_source": 16000, "drain_timeout": 1},
    } | settings
    if "upstreams" in settings:
        del config["upstream"]
    (where / "wardgate.yaml").write_text(json.dumps(config))


@contextmanager
def gateways(count: int, seeded: Seeded, upstream: Server, *, core: int | str) -> Iterator[Server]:
    """So many gateways on copies of that store, which share a port and nothing else."""
    port = free_port()
    folders = [folder("gateway") for _ in range(count)]
    for where in folders:
        shutil.copytree(seeded.path.parent, where / seeded.path.parent.name)
        configure(where, port, upstream)
    command = [sys.executable, "-m", "benchmarks.peers.side_by_side", str(port)]
    with process([*command, *map(str, folders)], port, folders[0], core=core) as running:
        yield Server("gateways", running.pid, port, seeded.keys[0].authorization)
