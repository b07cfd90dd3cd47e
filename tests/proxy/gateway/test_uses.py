"""While a key is rotated, it is known whether somebody still uses its old secret."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.auth.password_hash import hash_secret
from proxy.domain.model import Key
from proxy.domain.secret import generate
from proxy.domain.usage import HOUR
from tests.harness import Pair, World
from tests.support.seed import LOWEST_COST

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def used(world: World) -> Key:
    """The key, once its uses so far are written."""
    await world.node.usage.write()
    key = await world.store.get_key(world.key_a.key.id)
    assert key is not None
    return key


async def test_a_use_of_the_old_secret_is_told_from_one_of_the_new(world: World) -> None:
    """Each request of a connection counts, also one that is decided by the verdict before."""
    old = world.key_a
    secret = generate(old.key.access_key, world.store.seal_key)
    rotated = replace(
        old.key,
        secret_hash=hash_secret(secret.encode(), LOWEST_COST),
        previous_hash=old.key.secret_hash,
        previous_until=world.node.gateway.wall + HOUR,
    )
    await world.put(rotated)
    new = Pair(rotated, secret)
    await world.send(world.request(pair=new))
    key = await used(world)
    assert key.last_used is not None
    assert key.rotation.previous_used is None
    world.stop_clock()
    again = world.request(pair=old, close=False)
    await world.send(again + again + world.request(pair=old))
    first = (await used(world)).rotation.previous_used
    assert first == world.node.gateway.wall
    world.pass_time(1)
    await world.send(world.request(pair=new))
    key = await used(world)
    assert (key.rotation.previous_used, key.last_used) == (first, world.node.gateway.wall)
