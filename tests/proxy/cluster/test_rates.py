"""Two nodes over one store: together they let through of a rate what one would."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from proxy.domain.limits import parse_limits
from proxy.domain.model import AccountKind
from proxy.domain.rate_purse import LIFE
from tests.harness import World, account, renewed
from tests.proxy.cluster.conftest import Two

SECONDS = 3
RATE, BURST = 20, 20


async def limit(world: World, whose: str) -> None:
    """Limit the key of `a`, or the account of the user's key, or the environment `a`."""
    limits = parse_limits({"rate": f"{RATE}/s", "burst": BURST})
    if whose == "key":
        await world.put(renewed(world.key_a, limits=limits))
    elif whose == "account":
        await world.put(account(2, AccountKind.USER, limits=limits))
    else:
        await world.put(replace(world.environment_a, limits=limits))


async def ask(world: World, until: float, how: dict[str, Any]) -> Counter[str]:
    """The statuses of requests that are made one after the other."""
    statuses = Counter[str]()
    while time.monotonic() < until:
        request = world.request(**how, close=False)
        answer = await world.send(request * 4 + world.request(**how))
        statuses.update(re.findall(r"HTTP/1\.1 (\d{3}) ", answer.decode("latin-1")))
        await asyncio.sleep(0.02)
    return statuses


@pytest.mark.parametrize("whose", ["key", "account", "environment"])
async def test_two_nodes_let_through_no_more_than_the_rate(two: Two, whose: str) -> None:
    """Of a key, an account or an environment: the burst, what comes in the time and in the life of
    a grant, and a courtesy of a tenth; and the shares of nodes, should the store be too slow for
    them. Both have a part."""
    await limit(two.a, whose)
    how = {"pair": two.a.user} if whose == "account" else {}
    await asyncio.sleep(0.5)
    begun = time.monotonic()
    a, b = await asyncio.gather(*(ask(each, begun + SECONDS, how) for each in (two.a, two.b)))
    span = time.monotonic() - begun
    assert a + b == Counter({"200": (a + b)["200"], "429": (a + b)["429"]})
    most = BURST * 1.1 + RATE * (span + LIFE / 1_000_000)
    if any(each.node.limiter.grants["alone"] for each in (two.a, two.b)):
        most += BURST + RATE * span
    assert BURST < (a + b)["200"] <= most
    assert min(a["200"], b["200"], (a + b)["429"]) > 0


async def test_without_the_store_a_node_goes_by_its_share(two: Two) -> None:
    """Half of the rate, until its lease is over."""
    await limit(two.a, "key")
    await asyncio.sleep(0.5)
    assert (await ask(two.b, time.monotonic() + 0.5, {}))["200"]
    two.relay.cut()
    begun = time.monotonic()
    statuses = await ask(two.b, begun + 2.5, {})
    span = time.monotonic() - begun
    assert 0 < statuses["200"] <= BURST * 1.1 + BURST // 2 + RATE / 2 * span + 1
    assert two.b.node.limiter.grants["alone"]
