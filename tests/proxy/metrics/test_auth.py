"""Metrics tell whether keys are required, what bcrypt does, and what is in memory."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.domain.settings import ACCESS_CONTROL
from proxy.metrics.auth import of_auth
from tests.harness import World, running_world
from tests.proxy.metrics.scrape import scrape


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A gateway to which nobody has sent anything."""
    async with running_world(tmp_path) as running:
        yield running


def of_world(world: World) -> dict[tuple[str, ...], float]:
    """The metrics of a running gateway's authentication."""
    node = world.node
    return scrape(lambda: of_auth(node.authenticator, node.records))


async def test_whether_access_control_is_on_follows_the_setting(world: World) -> None:
    """On without a setting."""
    assert of_world(world)["wardgate_access_control",] == 1
    for value, expected in (("off", 0), ("on", 1)):
        async with world.store.write() as change:
            await change.put_setting(ACCESS_CONTROL, value)
        assert of_world(world)["wardgate_access_control",] == expected


async def test_each_bcrypt_is_timed_once(world: World) -> None:
    """A pair that was verified is remembered, and verified no more. A guess is verified only where
    a key without a seal exists."""
    for _ in range(3):
        await world.send(world.request())
    sealed = ("wardgate_verification_seconds_count", "sealed")
    unsealed = ("wardgate_verification_seconds_count", "unsealed")
    found = of_world(world)
    assert (found[sealed], found[unsealed]) == (1, 0)
    imported = replace(world.key_a.key, id=50, access_key="imported", sealed=False)
    await world.put(imported)
    guess = base64.b64encode(b"imported:guess")
    await world.send(
        b"GET / HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\nAuthorization: Basic %b\r\n\r\n"
        % guess
    )
    found = of_world(world)
    assert (found[sealed], found[unsealed]) == (1, 1)
    assert found["wardgate_verification_seconds_sum", "unsealed"] > 0
    assert found["wardgate_verifications_waiting", "unsealed"] == 0


async def test_what_is_in_memory_is_counted(world: World) -> None:
    """The records of a request that was served, and its credentials."""
    await world.send(world.request())
    found = of_world(world)
    sizes = {labels[1]: n for labels, n in found.items() if labels[0] == "wardgate_cache_entries"}
    assert sizes == {
        "keys": 1,
        "accounts": 0,
        "environments": 1,
        "slugs": 1,
        "memberships": 0,
        "verified": 1,
        "refused": 0,
    }
