"""A node beats at once where somebody waits for what it has settled, and at its own time else.

With a real store, that is tested in `test_two_nodes.py` and `test_waiter.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from proxy.cluster.follower import Follower
from proxy.domain.errors import StoreUnavailable
from proxy.store.feed import NodeIdentity, NodeRow
from tests.harness import until

NEVER = 100_000.0
"""Seconds between two beats: none comes by itself."""


class Feed:
    """Implements `store.feed.Feed`; the test says what the store has."""

    chosen = False

    def __init__(self) -> None:
        self.hints, self.asked = asyncio.Event(), asyncio.Event()
        self.applied = self.head = 1
        self.pulls = 0
        self.silent = False
        """Whether beats get no answer."""
        self.told: list[int] = []
        """What each beat said is settled."""

    async def join(self, node: NodeIdentity, *, after: int | None = None) -> bool:
        return True

    async def last_beat(self, name: str) -> tuple[int, float] | None:
        return None

    async def leases(self) -> set[float]:
        return set()

    async def nodes(self) -> list[NodeRow]:
        return []

    async def ask_to_settle(self) -> None:
        """As a notification does."""
        self.asked.set()
        self.hints.set()

    async def beat(self, settled: int) -> bool:
        if self.silent:
            raise StoreUnavailable("it does not answer")
        self.told.append(settled)
        self.applied = self.head
        return True

    async def pull(self) -> None:
        self.pulls += 1
        self.applied = self.head

    async def prune(self) -> None:
        pass

    async def leave(self) -> None:
        pass


class Requests:
    """Implements `settling.Settles`: up to where requests can be looked at."""

    def __init__(self) -> None:
        self.most = 1_000

    def settle(self, revision: int) -> int:
        return min(revision, self.most)


@asynccontextmanager
async def following() -> AsyncIterator[tuple[Feed, Requests]]:
    """A node that follows, and has beaten once."""
    feed, requests = Feed(), Requests()
    follower = Follower(feed, NodeIdentity(uuid4(), "a", 30.0), NEVER, requests)
    await follower.start()
    task = asyncio.create_task(follower.run())
    yield feed, requests
    assert not task.done()
    task.cancel()


async def test_a_change_is_pulled_and_told_of_by_the_next_beat() -> None:
    """Nobody waits for it."""
    async with following() as (feed, _):
        feed.head = 2
        feed.hints.set()
        await until(lambda: feed.pulls == 1)
        await asyncio.sleep(0.05)
        assert feed.told == [1]


async def test_where_somebody_waits_it_beats_at_once() -> None:
    """After it has pulled, so that the beat tells of the change that is waited for."""
    async with following() as (feed, _):
        for feed.head in (2, 3):
            await feed.ask_to_settle()
            await until(lambda: len(feed.told) == feed.head)
        assert feed.told == [1, 2, 3]


async def test_it_beats_once_requests_are_looked_at_that_were_not_decided_at_once() -> None:
    """Not before: that would tell nothing to who waits."""
    async with following() as (feed, requests):
        requests.most, feed.head = 1, 2
        await feed.ask_to_settle()
        await until(lambda: feed.pulls == 1)
        await asyncio.sleep(0.05)
        assert feed.told == [1]
        requests.most = 2
        await until(lambda: len(feed.told) == 2)
        assert feed.told == [1, 2]


async def test_in_a_history_that_went_back_nobody_waits_for_what_is_no_more() -> None:
    """It would never be settled."""
    async with following() as (feed, requests):
        requests.most, feed.head = 1, 5
        await feed.ask_to_settle()
        await until(lambda: feed.applied == 5)
        requests.most, feed.head = 3, 3
        feed.hints.set()
        await until(lambda: len(feed.told) == 2)
        assert feed.told == [1, 3]


@pytest.mark.parametrize(("jump", "held"), [(-3600.0, False), (1.5, False), (0.5, True)])
async def test_where_the_time_of_day_jumps_the_lease_ends(jump: float, held: bool) -> None:
    """A machine that was stopped together with its clock, as a virtual machine is, wakes up with a
    lease that looks new. A beat that is answered gives another one."""
    feed, time_of_day, passed = Feed(), 1_000_000.0, 100.0
    node = NodeIdentity(uuid4(), "a", 30.0)
    follower = Follower(
        feed, node, 3.0, Requests(), clock=lambda: passed, wall=lambda: time_of_day + passed
    )
    await follower.start()
    feed.silent = True
    time_of_day += jump
    passed += 4
    task = asyncio.create_task(follower.run())
    await until(lambda: follower.beats["failed"] > 0)
    assert follower.lease.holds() is held
    feed.silent = False
    await until(follower.lease.holds)
    task.cancel()
