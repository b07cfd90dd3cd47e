"""Refusals of all kinds between requests of all kinds are the same with repeats and without.

As in `test_repeated_refusal.py`, each conversation is held twice.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.auth.access_request import AccessRequest
from proxy.domain.secret import generate
from tests.harness import World, alter
from tests.proxy.gateway.conversation import Conversation
from tests.proxy.gateway.test_repeat import EVENTS, alike
from tests.proxy.gateway.test_repeated_refusal import forged, guesses, kept, pair, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def turns_a_second(talk: Conversation) -> None:
    """The date changes."""
    alter(talk.gateway, date=b"Thu, 01 Jan 1970 00:00:%02d GMT" % len(talk.told.client))


MORE: dict[str, Callable[[Conversation], Any]] = {
    "a guess": lambda talk: guesses(talk, 1),
    "another guess": lambda talk: guesses(talk, len(talk.told.client)),
    "many guesses": lambda talk: guesses(talk, *range(100, 125)),
    "a guess with another field": lambda talk: talk.asks(forged(talk, 1, b"X-More: 1")),
    "a guess with that field": lambda talk: talk.asks(forged(talk, 1, b"X-More: 2")),
    "a guess with an id": lambda talk: talk.asks(forged(talk, 1, b"X-Request-Id: mine")),
    "a guess twice": lambda talk: talk.asks(forged(talk, 1, b"Authorization: " + pair(1))),
    "a guess for an error": lambda talk: talk.asks(
        forged(talk, 1, b"Accept: application/problem+json")
    ),
    "a guess that is the last": lambda talk: talk.asks(forged(talk, 1, b"Connection: close")),
    "a guess by HEAD": lambda talk: talk.asks(forged(talk, 1).replace(b"GET", b"HEAD")),
    "a guess elsewhere": lambda talk: talk.asks(forged(talk, 1).replace(b"/a/", b"/b/")),
    "a guess without a route": lambda talk: talk.asks(forged(talk, 1).replace(b"/v1/", b"/v7/")),
    "a guess in pieces": lambda talk: talk.asks(forged(talk, 1)[:60], forged(talk, 1)[60:]),
    "two guesses": lambda talk: talk.asks(forged(talk, 1) + forged(talk, 2)),
    "a long guess": lambda talk: kept(talk, b"Basic " + base64.b64encode(b"a:" + b"x" * 9000)),
    "malformed credentials": lambda talk: kept(talk, b"Basic !"),
    "another scheme": lambda talk: kept(talk, b"Bearer a:b"),
    "a control character": lambda talk: kept(talk, b"Basic \0"),
    "a second": turns_a_second,
    "a key of another store": lambda talk: kept(
        talk, b"Basic " + base64.b64encode(b"A:" + generate("A", b"another").encode())
    ),
    "the key of b": lambda talk: kept(talk, talk.world.key_b.basic.partition(b":")[2].strip()),
}
WHATEVER = EVENTS | MORE


@given(events=st.lists(st.sampled_from(list(WHATEVER)), max_size=12))
@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_whatever_happens_in_whatever_order(world: World, events: list[str]) -> None:
    """Behind refused requests, and between them."""
    date = world.node.gateway.date
    decider, basic = world.node.gateway.runtime.decider, world.key_b.basic[14:].strip()
    for path in (b"/v1/projects/a/x", b"/v1/projects/b/x"):  # loads what the keys need
        await decider.decide_loading(AccessRequest("GET", path, authorization=[basic]))

    async def script(talk: Conversation) -> None:
        for each in events:
            happens = WHATEVER[each](talk)
            if happens is not None:
                await happens
        alter(talk.gateway, date=date)

    await alike(world, refused(script))
