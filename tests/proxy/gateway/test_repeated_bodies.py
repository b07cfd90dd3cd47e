"""A request with a small body is repeated, to the same effect as by an exchange."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.harness import World
from tests.proxy.gateway.conversation import ANSWER, Conversation
from tests.proxy.gateway.test_repeat import EVENTS, alike

pytestmark = pytest.mark.asyncio(loop_scope="module")

POST = b"\r\nContent-Length: 2\r\n\r\nhi"


def post(talk: Conversation, number: int = 0, end: bytes = POST) -> bytes:
    """A request with a body."""
    return talk.head(number).replace(b"GET", b"POST").replace(b"\r\n\r\n", end)


BODIES: dict[str, Callable[[Conversation], Awaitable[None] | None]] = EVENTS | {
    "a post": lambda talk: talk.asks(post(talk)),
    "a post again": lambda talk: talk.asks(post(talk)),
    "another post": lambda talk: talk.asks(post(talk, 7)),
    "a post in pieces": lambda talk: talk.asks(post(talk)[:-2], post(talk)[-2:]),
    "a post without its end": lambda talk: talk.asks(post(talk)[:-1]),
    "two posts": lambda talk: talk.asks(post(talk) + post(talk)),
    "a post and more": lambda talk: talk.asks(post(talk) + b"GET"),
    "another length": lambda talk: talk.asks(post(talk, end=POST.replace(b"2", b"3") + b"!")),
    "an empty post": lambda talk: talk.asks(post(talk, end=POST.replace(b"2", b"0")[:-2])),
    "a post in chunks": lambda talk: talk.asks(
        post(talk, end=b"\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
    ),
}


async def test_a_body_that_comes_with_its_head_is_repeated(world: World, begun: list[bool]) -> None:
    """In one write, from the third on. One that comes in pieces, or that has another length, is for
    an exchange."""
    world.pool.origin = world.pool.origin._replace(alone_with_body=False)

    async def script(talk: Conversation) -> None:
        begun.clear()
        for each in ("a post", "a post", "a post", "another post", "a post in pieces", "a post"):
            await BODIES[each](talk)  # type: ignore[misc]
            talk.answers(ANSWER)
        await talk.asks(post(talk, end=POST.replace(b"2", b"3") + b"!"))
        talk.answers(ANSWER)

    told = await alike(world, script)
    assert begun == [False, True, False, False, True, False]
    assert [line["in"] for line in told.log][-7:] == [2] * 6 + [3]


@given(events=st.lists(st.sampled_from(list(BODIES)), max_size=12))
@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_requests_with_bodies_in_whatever_order(world: World, events: list[str]) -> None:
    """Where a connection to the upstream carries more than one of them."""
    world.pool.origin = world.pool.origin._replace(alone_with_body=False)

    async def script(talk: Conversation) -> None:
        for each in ("a post", "answer", "a post", "answer", *events, "answer"):
            happens = BODIES[each](talk)
            if happens is not None:
                await happens

    await alike(world, script)
