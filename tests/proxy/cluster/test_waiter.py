"""Who waits for a change is told that it holds everywhere once that is so: at each node, of each
request, also of those that were under way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from proxy.cluster import waiter as module
from proxy.cluster.sightings import NodeStatus, Sightings
from proxy.cluster.waiter import Waiter
from proxy.domain.errors import StoreUnavailable
from proxy.domain.model import State
from proxy.store.feed import NodeRow
from tests.harness import World, renewed
from tests.patience import PATIENCE
from tests.proxy.cluster.conftest import Two
from tests.proxy.cluster.nodes import another, first
from tests.proxy.cluster.test_two_nodes import after, asks, dies
from tests.proxy.gateway.test_revocation import cut, endless


async def changed(world: World, *, state: State = State.INACTIVE) -> int:
    """The revision of a change of the state of a key, made at a node."""
    async with world.store.write() as change:
        await change.put(renewed(world.key_a, state=state))
    assert change.revision is not None
    return change.revision


async def wait(world: World, revision: int, seconds: float = PATIENCE) -> dict[str, NodeStatus]:
    """Each node, once the change holds everywhere."""
    found = await world.node.waiter.wait(revision, seconds)
    return {each.row.name: each for each in found}


@asynccontextmanager
async def under_way(world: World) -> AsyncIterator[asyncio.StreamReader]:
    """A response that a node has begun."""
    world.upstream.handle = endless
    world.pool.close()
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    writer.write(world.request(close=False))
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    yield reader
    writer.transport.abort()


async def test_once_a_change_holds_everywhere_the_next_request_goes_by_it(two: Two) -> None:
    """On each node, however often; whichever made it."""
    for maker, other in ((two.a, "b"), (two.b, "a")) * 10:
        assert await asks(two, other) == 200
        told = await wait(maker, await changed(maker))
        assert {name: each.state for name, each in told.items()} == {"a": "settled", "b": "settled"}
        assert await asks(two, other) == 401
        await wait(maker, await changed(maker, state=State.ACTIVE))


async def test_it_holds_only_once_what_is_under_way_was_looked_at(two: Two) -> None:
    """Although no second has passed for the gateway: to look at it is asked for at once."""
    two.b.stop_clock()
    assert await asks(two, "b") == 200
    async with under_way(two.b) as reader:
        told = await wait(two.a, await changed(two.a))
        assert told["b"].state == "settled"
        assert two.b.log()[-1]["reason"] == "revoked"
        await asyncio.wait_for(cut(reader), PATIENCE)


async def test_a_request_that_cannot_be_decided_yet_is_waited_for(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node has applied the change, but does not say that it has settled it."""
    two.b.stop_clock()
    known = asyncio.Event()
    records: Any = two.b.node.records
    load = records.accounts._load

    async def late(key: int) -> object:
        await known.wait()
        return await load(key)

    two.a.upstream.handle = endless
    reader, writer = await asyncio.open_connection("127.0.0.1", two.b.port)
    writer.write(two.b.request(pair=two.b.user, close=False))
    await reader.readuntil(b"\r\n\r\n")
    monkeypatch.setattr(records.accounts, "_load", late)
    records.accounts.drop()
    revision = await changed(two.a)
    told = await wait(two.a, revision, 2.0)
    assert (told["a"].state, told["b"].state) == ("settled", "pending")
    assert told["b"].row.applied == revision
    assert told["b"].row.settled < revision
    known.set()
    assert (await wait(two.a, revision))["b"].state == "settled"
    writer.transport.abort()


async def test_what_nobody_hears_is_told_by_the_beats(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Notifications may get lost."""
    feeds: list[Any] = [two.a.store.feed, two.b.store.feed]
    for feed in feeds:
        monkeypatch.setattr(feed, "_notified", lambda *_: None)
        await feed.close()
    told = await wait(two.a, await changed(two.a))
    assert [told[name].state for name in "ab"] == ["settled", "settled"]


async def test_a_node_that_cannot_be_reached_is_pending_until_its_lease_is_over(two: Two) -> None:
    """Then it is told that the change holds everywhere; and so it does, also once the node is
    back."""
    assert await asks(two, "b") == 200
    async with under_way(two.b) as reader:
        two.relay.cut()
        revision = await changed(two.a)
        pending = (await wait(two.a, revision, 0))["b"]
        assert pending.state == "pending"
        assert 0 < pending.left <= 8.1
        assert (await wait(two.a, revision))["b"].state == "lapsed"
        assert two.b.log()[-1]["reason"] == "store"
        await asyncio.wait_for(cut(reader), PATIENCE)
    two.relay.mend()
    assert await after(503, asks, two, "b") == 401
    assert (await wait(two.a, revision))["b"].state == "settled"


async def test_a_node_that_has_left_is_waited_for_no_longer(tmp_path: Path, url: str) -> None:
    """Nor one of which somebody says that it is dead; one that died is, for as long as its
    lease."""
    async with first(tmp_path, url) as a:
        async with another(a, tmp_path, url, lease=600.0):
            pass
        assert (await wait(a, await changed(a)))["b"].state == "left"
        async with another(a, tmp_path, url, lease=600.0) as b:
            dies(b)
        revision = await changed(a, state=State.ACTIVE)
        dead = (await wait(a, revision, 0.1))["b"]
        assert (dead.state, dead.left > 590) == ("pending", True)
        async with a.store.write() as change:
            assert await change.forget_node(dead.row)
        assert (await wait(a, revision))["b"].state == "left"


async def test_without_the_store_nobody_is_told_anything(two: Two) -> None:
    """Whoever waits gets an error, unless it answers again in time."""
    two.relay.cut()
    with pytest.raises(StoreUnavailable):
        await two.b.node.waiter.wait(1, 0)
    waiting = asyncio.ensure_future(wait(two.b, 1))
    with pytest.raises(StoreUnavailable):
        await two.b.node.waiter.wait(1, 0.5)
    two.relay.mend()
    assert (await waiting)["b"].state == "settled"


async def test_a_node_that_stops_lets_nobody_wait(two: Two) -> None:
    """Who waits there is told how far all are."""
    two.relay.cut()
    waiting = asyncio.ensure_future(wait(two.a, await changed(two.a)))
    await asyncio.sleep(0)
    two.a.node.waiter.end()
    assert (await waiting)["b"].state == "pending"


class Silent:
    """Implements `waiter.Roll`: one node, which never settles anything."""

    asked = 0

    async def nodes(self) -> list[NodeRow]:
        return [NodeRow(UUID(int=1), "a", 1, 1, 0, 0, 600.0, 0, None)]

    async def ask_to_settle(self) -> None:
        self.asked += 1


async def test_nodes_are_asked_once_for_each_change_and_again_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However many ask how far it is: each time, all nodes write."""
    silent = Silent()
    waiter = Waiter(silent, Sightings(), 3.0)
    for revision in (1, 1, 2, 1, 2, 3):
        await waiter.wait(revision, 0)
    assert silent.asked == 3
    monkeypatch.setattr(module, "ASK_AGAIN", 0.0)
    await waiter.wait(2, 0)
    assert silent.asked == 4


class Slow(Silent):
    """It answers when it is told to."""

    def __init__(self) -> None:
        self.questions: list[asyncio.Future[None]] = []

    async def nodes(self) -> list[NodeRow]:
        answered = asyncio.get_running_loop().create_future()
        self.questions.append(answered)
        await answered
        return await super().nodes()


async def turn() -> None:
    """Let all go on that can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_however_many_ask_there_is_one_question_at_a_time() -> None:
    """A node's beats are answered in turn with them: if each had a question of its own, those who
    ask could end the lease of the node. An answer counts for those alone who came before its
    question."""
    slow = Slow()
    waiter = Waiter(slow, Sightings(), 3.0)
    early = asyncio.ensure_future(waiter.wait(1, 0))
    await turn()
    late = [asyncio.ensure_future(waiter.wait(1, 0)) for _ in range(100)]
    late += [asyncio.ensure_future(waiter.nodes()) for _ in range(100)]
    await turn()
    assert len(slow.questions) == 1
    slow.questions[0].set_result(None)
    await turn()
    assert (early.done(), any(each.done() for each in late)) == (True, False)
    assert len(slow.questions) == 2
    slow.questions[1].set_result(None)
    await asyncio.gather(early, *late)
    assert len(slow.questions) == 2


async def test_so_many_may_wait_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them asks the store again and again. Others are told at once how far it is."""
    monkeypatch.setattr(module, "MOST_WAITING", 2)
    waiter = Waiter(Silent(), Sightings(), 3.0)
    waiting = [asyncio.ensure_future(waiter.wait(1, PATIENCE)) for _ in range(2)]
    await asyncio.sleep(0.01)
    (node,) = await waiter.wait(1, PATIENCE)
    assert node.state == "pending"
    assert not any(each.done() for each in waiting)
    waiter.end()
    assert [[each.state for each in found] for found in await asyncio.gather(*waiting)] == [
        ["pending"],
        ["pending"],
    ]
    (node,) = await waiter.wait(1, PATIENCE)
    assert node.state == "pending"
