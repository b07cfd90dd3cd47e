"""Metrics tell what is in progress: clients, connections to upstreams, limits, and lag."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.domain.limits import parse_limits
from proxy.metrics.gateway import of_gateway
from tests.harness import World, running_world, until
from tests.proxy.metrics.scrape import scrape
from tests.upstream import OK


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A gateway to which nobody has sent anything."""
    async with running_world(tmp_path) as running:
        yield running


def of_world(world: World, name: str) -> dict[tuple[str, ...], float]:
    """One metric of a running gateway, by the values of its labels."""
    found = scrape(lambda: of_gateway(world.node.gateway))
    return {labels[1:]: value for labels, value in found.items() if labels[0] == name}


async def test_the_number_of_clients_is_that_of_the_moment(world: World) -> None:
    """With and without a request."""
    assert of_world(world, "wardgate_connections") == {(): 0}
    _, writer = await asyncio.open_connection("127.0.0.1", world.port)
    await until(lambda: of_world(world, "wardgate_connections") == {(): 1})
    writer.close()
    await until(lambda: of_world(world, "wardgate_connections") == {(): 0})


async def test_connections_to_an_upstream_are_counted_by_what_they_do(world: World) -> None:
    """A request makes one active; afterwards it is idle; who finds none free waits."""
    name = "wardgate_upstream_connections"
    world.dial(max_connections=1)
    answered = asyncio.Event()

    async def slow(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answered.wait()
        writer.write(OK)

    world.upstream.handle = slow
    first = asyncio.ensure_future(world.send(world.request()))
    await until(lambda: of_world(world, name)["active", "default"] == 1)
    second = asyncio.ensure_future(world.send(world.request()))
    await until(lambda: world.node.gateway.upstreams()[0].waiting == 1)
    answered.set()
    await first
    await second
    await until(lambda: of_world(world, name)["active", "default"] == 0)
    assert of_world(world, name)["tunnel", "default"] == 0
    assert world.node.gateway.upstreams()[0].waiting == 0


async def test_limits_in_use_are_counted_by_kind(world: World) -> None:
    """Keys without limits take no memory for them."""
    none = {("address",): 0, ("quota",): 0, ("rate",): 0}
    await world.send(world.request())
    assert of_world(world, "wardgate_limits_in_use") == none
    limits = parse_limits({"rate": "1/h", "quota": "10/day"})
    await world.put(replace(world.key_a.key, limits=limits))
    await world.send(world.request())
    assert of_world(world, "wardgate_limits_in_use") == none | {("quota",): 1, ("rate",): 1}


async def test_one_process_asks_for_no_part_of_a_rate(world: World) -> None:
    """It counts for itself. (`tests/proxy/cluster/test_rates.py` has two that do.)"""
    await world.put(replace(world.key_a.key, limits=parse_limits({"rate": "1/h"})))
    await world.send(world.request())
    assert of_world(world, "wardgate_grants") == {}


async def test_an_event_loop_that_stood_still_shows(world: World) -> None:
    """By about as long as it did."""
    lag = world.node.gateway.telemetry.loop_lag
    ticks = lag.count
    await until(lambda: lag.count > ticks)
    before = lag.sum
    time.sleep(2)  # noqa: ASYNC251 - it stands still
    await until(lambda: lag.sum - before > 0.9)
    assert of_world(world, "wardgate_event_loop_lag_seconds_count")[()] >= 2
