"""Nodes of one store, each with a gateway and an admin server of its own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from proxy.config.load import load
from proxy.node import Node
from proxy.store.open import open_store
from tests.harness import World, running_world

LEASE = {"lease": 5.0, "beat": 0.5}
"""The shortest."""


@asynccontextmanager
async def first(folder: Path, url: str, **settings: Any) -> AsyncIterator[World]:
    """The node `a`, which makes the store."""
    cluster = LEASE | {"name": "a", "run_directory": str(folder / "run")}
    given = {"store": url, "cluster": cluster, "admin": {"listen": "127.0.0.1:0"}} | settings
    async with running_world(folder, **given) as world:
        yield world


@asynccontextmanager
async def another(world: World, folder: Path, url: str, **cluster: Any) -> AsyncIterator[World]:
    """One more node of the store, by default `b`, in front of the same upstream."""
    log_file, config_file = folder / "access-b.log", folder / "b.yaml"
    named = LEASE | {"name": "b", "run_directory": str(folder / "run")} | cluster
    config = json.loads((world.log_file.parent / "wardgate.yaml").read_text())
    config |= {"store": url, "cluster": named, "access_log": str(log_file)}
    config_file.write_text(json.dumps(config))
    store = await open_store(url)
    try:
        async with Node(load(config_file, {}), store) as node:
            port = int(node.gateway_urls[0].rpartition(":")[2])
            yield replace(world, node=node, log_file=log_file, port=port)
    finally:
        await store.close()
