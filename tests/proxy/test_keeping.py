"""A keeper that is started again serves workers at once, however long the rest of its start
takes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from proxy.cluster.alone import Alone
from proxy.keeping import Keeping
from proxy.node import Node
from proxy.processes.inherited import Shared
from proxy.processes.shared import SharedState
from proxy.workers.link import Link
from tests.harness import running_world


async def test_workers_are_answered_before_the_keeper_is_a_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To become a node of a database that is far away takes some round trips, and a name that
    another one has is waited for. Meanwhile workers have what they need to go on by the lease of
    the keeper before."""
    begins = asyncio.Event()

    async def start(_: Alone, _store: object) -> None:
        await begins.wait()

    async with running_world(tmp_path) as world:
        state = SharedState.create(1)
        state.fresh_until = float("inf")
        given: Any = {"lock": None, "urls": ["http://127.0.0.1"], "generation": 0}
        shared = Shared(state, str(tmp_path / "bus"), bytes(32), **given)
        keeper = Node(world.node.config, world.store, keeping=Keeping(world.store, shared))
        monkeypatch.setattr(Alone, "start", start)
        starting = asyncio.ensure_future(keeper.__aenter__())
        link = Link(shared.bus, 0, state)
        await link.start()
        access_key = world.key_a.key.access_key
        _, found = await link.call("load_key", access_key)
        assert found == world.key_a.key
        assert link.lease.holds()
        assert not starting.done()
        begins.set()
        await starting
        await link.stop()
        await keeper.__aexit__()
