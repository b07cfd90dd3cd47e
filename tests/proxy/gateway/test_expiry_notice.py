"""With `expiry_notice_days`, answers say when the key that was presented expires."""

from __future__ import annotations

from dataclasses import replace
from email.utils import parsedate_to_datetime

import pytest

from proxy.domain.usage import DAY
from tests.harness import Pair, World, alter
from tests.upstream import OK

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAME = b"Wardgate-Key-Expires"


async def expiring(world: World, expires: int | None) -> Pair:
    """The key of the environment `a`, which expires then, while the notice is of 14 days."""
    gateway = world.node.gateway
    alter(gateway, runtime=replace(gateway.runtime, expiry_notice=14 * DAY))
    pair = replace(world.key_a, key=replace(world.key_a.key, expires=expires))
    await world.put(pair.key)
    return pair


def notices(answer: bytes) -> list[bytes]:
    """The values of the field in an answer."""
    lines = answer.partition(b"\r\n\r\n")[0].split(b"\r\n")
    return [line.split(b": ", 1)[1] for line in lines if line.lower().startswith(NAME.lower())]


async def test_an_answer_says_when_the_key_expires_if_that_is_soon(world: World) -> None:
    """As a date of HTTP, in each answer of a connection, whichever verdict is used again."""
    expires = world.node.gateway.wall + 3 * DAY
    pair = await expiring(world, expires)
    again = world.request(pair=pair, close=False)
    answers = await world.send(again + again + world.request(pair=pair))
    found = [notices(each) for each in answers.split(b"HTTP/1.1 200")[1:]]
    assert len(found) == 3
    for each in found:
        (value,) = each
        assert parsedate_to_datetime(value.decode()).timestamp() == expires // 1000


@pytest.mark.parametrize("days", [None, 15, 400])
async def test_a_key_that_does_not_expire_soon_gets_no_notice(
    world: World, days: int | None
) -> None:
    """Nor does one that never expires."""
    pair = await expiring(world, None if days is None else world.node.gateway.wall + days * DAY)
    assert notices(await world.send(world.request(pair=pair))) == []


async def test_by_default_there_is_no_notice(world: World) -> None:
    """Even for a key that expires at once."""
    pair = await expiring(world, world.node.gateway.wall + 60_000)
    gateway = world.node.gateway
    alter(gateway, runtime=replace(gateway.runtime, expiry_notice=0))
    assert notices(await world.send(world.request(pair=pair))) == []


@pytest.mark.parametrize("days", [None, 3])
async def test_an_upstream_cannot_say_it(world: World, days: int | None) -> None:
    """Its own field of that name is dropped, in any spelling."""
    expires = None if days is None else world.node.gateway.wall + days * DAY
    pair = await expiring(world, expires)
    theirs = b"\r\nwardgate-key-EXPIRES: Thu, 01 Jan 2099 00:00:00 GMT\r\n"
    world.upstream.respond = lambda _: OK.replace(b"\r\n", theirs, 1)
    answer = await world.send(world.request(pair=pair))
    assert b"2099" not in answer
    assert len(notices(answer)) == (days is not None)


async def test_a_websocket_is_told_too(world: World) -> None:
    """In the head that switches the protocol."""
    pair = await expiring(world, world.node.gateway.wall + DAY)
    switched = b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    world.upstream.respond = lambda _: switched
    lines = [b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Version: 13"]
    lines.append(b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
    request = world.request(b"/v1/projects/a/x", *lines, pair=pair, close=False)
    answer = await world.send(request, shut=True)
    assert answer.startswith(b"HTTP/1.1 101")
    assert len(notices(answer)) == 1
