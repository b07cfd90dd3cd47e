"""The only node of a store waits for nobody but the requests that are under way on it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.harness import renewed, running_world
from tests.patience import PATIENCE
from tests.proxy.gateway.test_revocation import begun, cut, deactivate_key


async def test_a_change_holds_everywhere_once_its_requests_were_looked_at(tmp_path: Path) -> None:
    """Those whose right has ended are cut then, without a tick."""
    async with running_world(tmp_path) as world:
        world.stop_clock()
        revision, _ = await world.store.load_settings()
        (node,) = await world.node.waiter.wait(revision, 0)
        assert node.state == "settled"
        async with begun(world) as reader:
            await deactivate_key(world)
            (node,) = await world.node.waiter.wait(revision + 1, PATIENCE)
            assert (node.state, node.row.settled) == ("settled", revision + 1)
            await asyncio.wait_for(cut(reader), PATIENCE)


async def test_it_waits_for_a_request_that_cannot_be_decided_at_once(tmp_path: Path) -> None:
    """For so long at most; to look again is enough then."""
    async with running_world(tmp_path) as world:
        world.stop_clock()
        async with begun(world):
            await world.put(renewed(world.key_b, name="new"))
            revision, _ = await world.store.load_settings()
            world.node.records.apply(None)
            (node,) = await world.node.waiter.wait(revision, 0)
            assert node.state == "pending"
            (node,) = await world.node.waiter.wait(revision, PATIENCE)
            assert node.state == "settled"


async def test_it_is_never_gone(tmp_path: Path) -> None:
    """Whoever asks it has its answer."""
    async with running_world(tmp_path) as world:
        (node,) = await world.node.waiter.nodes()
        assert node.state == "active"
        assert node.row.name == world.node.config.cluster.node_name
        await world.put(renewed(world.key_b, name="new"))
        revision, _ = await world.store.load_settings()

        async def shown() -> int:
            return (await world.node.waiter.nodes())[0].row.settled

        assert await shown() == revision
