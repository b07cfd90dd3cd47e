"""A request that is sent again by a `Repeat` is to all who see it what an exchange makes of it.

Each conversation is held twice: with repeats, and with an exchange for each request. What the
client, the upstream, the log and the counters get has to be the same, byte for byte.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.auth.decision import Decider
from proxy.domain.limits import parse_limits
from proxy.domain.model import State
from proxy.domain.routes import Access, Route, Routes
from proxy.gateway.limiter import Limiter
from tests.harness import World, alter, renewed
from tests.hostile import answers, framing, heads, targets
from tests.hostile.answers import Answer
from tests.hostile.row import PAIR, Row
from tests.proxy.gateway.conversation import ANSWER, Conversation, Told, without_repeats

pytestmark = pytest.mark.asyncio(loop_scope="module")

Script = Callable[[Conversation], Awaitable[None]]

REQUESTS = [*heads.ROWS, *framing.ROWS, *targets.ROWS]
ANSWERS = answers.ANSWERS


async def held(world: World, script: Script, *, warm: bool = True) -> Told:
    """What a conversation of this script leads to."""
    world.renew()
    world.stop_clock()
    gateway = world.node.gateway
    gateway.limiter = Limiter(gateway.limiter._quotas._granter)
    records = world.node.records
    await records.slugs.find("b")  # what has to be loaded first comes an event later
    await records.environments.find(world.environment_b.id)
    talk = Conversation(world)
    if warm:
        await talk.warm()
    await script(talk)
    told = await talk.ends()
    for each in talk.connections:
        each.discard()
        each.connection_lost(None)  # as the event loop would say: the pool must not keep it
    assert not world.pool._open
    world.pool.close()
    return told


async def alike(world: World, script: Script) -> Told:
    """What a conversation leads to, which is the same with repeats and without."""
    with without_repeats():
        expected = await held(world, script)
    told = await held(world, script)
    assert told == expected
    return told


async def test_the_same_request_is_repeated(world: World, begun: list[bool]) -> None:
    """And so is one that differs in a value on which nothing depends, once such a one was seen."""

    async def script(talk: Conversation) -> None:
        begun.clear()
        for number in (0, 0, 1, 2, 3):
            await talk.asks(talk.head(number))
            talk.answers(ANSWER)

    told = await alike(world, script)
    assert begun == [True, True, False, True, True]
    assert [each for each in told.client if each][-2].endswith(b"hello")


@pytest.mark.parametrize("row", REQUESTS, ids=[row.name for row in REQUESTS])
async def test_a_hostile_request_after_repeated_ones(world: World, row: Row) -> None:
    """It gets the same answer at once, in two pieces, and behind a repeated one."""
    pair = world.key_a.basic.split()[-1]
    sent = row.sent.replace(PAIR, pair)

    async def script(talk: Conversation) -> None:
        await talk.asks(talk.head())
        talk.answers(ANSWER)
        await talk.asks(sent)
        talk.answers(ANSWER)

    async def split(talk: Conversation) -> None:
        await talk.asks(sent[: len(sent) // 2], sent[len(sent) // 2 :])
        talk.answers(ANSWER)

    async def behind(talk: Conversation) -> None:
        await talk.asks(talk.head() + sent)
        talk.answers(ANSWER)
        talk.answers(ANSWER)

    for each in (script, split, behind):
        await alike(world, each)


@pytest.mark.parametrize("answer", ANSWERS, ids=[each.name for each in ANSWERS])
async def test_a_hostile_answer_to_a_repeated_request(
    world: World, answer: Answer, begun: list[bool]
) -> None:
    """The client gets the same, whether the answer comes at once or in two pieces."""

    async def whole(talk: Conversation) -> None:
        await talk.asks(talk.head())
        talk.answers(answer.sent)
        if answer.ends:
            talk.upstream_ends()
        await talk.asks(talk.head())
        talk.answers(ANSWER)

    async def split(talk: Conversation) -> None:
        await talk.asks(talk.head())
        talk.answers(answer.sent[:20], answer.sent[20:])
        if answer.ends:
            talk.upstream_ends(ConnectionResetError())
        await talk.asks(talk.head())
        talk.answers(ANSWER)

    for each in (whole, split):
        begun.clear()
        await alike(world, each)
        assert begun[:2] == [True, True]


EVENTS: dict[str, Callable[[Conversation], Any]] = {
    "client ends": Conversation.client_ends,
    "client is lost": lambda talk: talk.client_ends(ConnectionResetError()),
    "client stalls": lambda talk: talk.client_stalls(True),
    "client reads": lambda talk: talk.client_stalls(False),
    "upstream ends": Conversation.upstream_ends,
    "upstream is lost": lambda talk: talk.upstream_ends(ConnectionResetError()),
    "upstream stalls": lambda talk: talk.upstream_stalls(True),
    "upstream reads": lambda talk: talk.upstream_stalls(False),
    "a second": lambda talk: talk.ticks(1),
    "a minute": lambda talk: talk.ticks(60),
    "settle": Conversation.settles,
    "same": lambda talk: talk.asks(talk.head()),
    "another number": lambda talk: talk.asks(talk.head(7)),
    "next number": lambda talk: talk.asks(talk.head(len(talk.told.client))),
    "two at once": lambda talk: talk.asks(talk.head() + talk.head()),
    "in pieces": lambda talk: talk.asks(talk.head()[:30], talk.head()[30:]),
    "a longer value": lambda talk: talk.asks(talk.head(10**9)),
    "a value that is too long": lambda talk: talk.asks(
        talk.head().replace(b"X-Number: 0", b"X-Number: " + b"9" * 9000)
    ),
    "a HEAD": lambda talk: talk.asks(talk.head().replace(b"GET", b"HEAD")),
    "another path": lambda talk: talk.asks(talk.head().replace(b"/x", b"/y")),
    "elsewhere": lambda talk: talk.asks(talk.head().replace(b"/a/", b"/b/")),
    "a body": lambda talk: talk.asks(
        talk.head()
        .replace(b"GET", b"POST")
        .replace(b"\r\n\r\n", b"\r\nContent-Length: 2\r\n\r\nhi")
    ),
    "the last one": lambda talk: talk.asks(
        talk.head().replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    ),
    "an offer": lambda talk: talk.asks(
        talk.head().replace(b"\r\n\r\n", b"\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
    ),
    "an id": lambda talk: talk.asks(
        talk.head().replace(b"\r\n\r\n", b"\r\nX-Request-Id: mine\r\n\r\n")
    ),
    "a cookie": lambda talk: talk.asks(
        talk.head().replace(b"X-Number: 0", b"X-Number: wardgate\r\nCookie: wardgate=1; a=b")
    ),
    "malformed": lambda talk: talk.asks(talk.head().replace(b"X-Number: 0", b"X-Number: \0")),
    "answer": lambda talk: talk.answers(ANSWER),
    "answer with a field": lambda talk: talk.answers(ANSWER.replace(b"api", b"other")),
    "answer of another length": lambda talk: talk.answers(
        ANSWER.replace(b"Length: 5", b"Length: 6") + b"!"
    ),
    "answer in pieces": lambda talk: talk.answers(ANSWER[:10], ANSWER[10:]),
    "answer without its end": lambda talk: talk.answers(ANSWER[:-1]),
    "answer and more": lambda talk: talk.answers(ANSWER + b"?"),
    "answer with a date": lambda talk: talk.answers(
        ANSWER.replace(b"Server: api", b"Date: Thu, 01 Jan 1970 00:00:00 GMT")
    ),
    "answer that redirects": lambda talk: talk.answers(
        ANSWER.replace(b"Server: api", b"Location: /there")
    ),
    "answer that is the last": lambda talk: talk.answers(
        ANSWER.replace(b"Server: api", b"Connection: close")
    ),
    "no content": lambda talk: talk.answers(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "not modified": lambda talk: talk.answers(b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    "not found": lambda talk: talk.answers(ANSWER.replace(b"200 OK", b"404 Not Found")),
    "error": lambda talk: talk.answers(ANSWER.replace(b"200 OK", b"500 Oh")),
    "chunks": lambda talk: talk.answers(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
    ),
    "hint": lambda talk: talk.answers(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"),
    "garbage": lambda talk: talk.answers(b"garbage\r\n\r\n"),
}


@given(events=st.lists(st.sampled_from(list(EVENTS)), max_size=12))
@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_whatever_happens_in_whatever_order(world: World, events: list[str]) -> None:
    """In the middle of repeated requests as between them."""

    async def script(talk: Conversation) -> None:
        for each in events:
            happens = EVENTS[each](talk)
            if happens is not None:
                await happens

    await alike(world, script)


# --- what ends a course ---


async def is_deactivated(world: World) -> None:
    await world.put(renewed(world.key_a, state=State.INACTIVE))


async def expires(world: World) -> None:
    await world.put(renewed(world.key_a, expires=world.node.gateway.wall - 1))


async def is_edited(world: World) -> None:
    await world.put(renewed(world.key_a, description="another"))


async def has_a_limit(world: World) -> None:
    await world.put(renewed(world.key_a, limits=parse_limits({"rate": "2/h"})))


async def has_a_quota(world: World) -> None:
    await world.put(renewed(world.key_a, limits=parse_limits({"quota": "1000000/day"})))


async def is_configured_anew(world: World) -> None:
    routes = Routes([Route("/**", Access.ADMIN, "default")])
    decider = Decider(routes, world.node.records, world.node.authenticator)
    runtime = world.node.gateway.runtime
    alter(world.node.gateway, runtime=replace(runtime, generation=999, decider=decider))


async def stops(world: World) -> None:
    alter(world.node.gateway, draining=True)


async def writes_its_usage(world: World) -> None:
    await world.node.gateway.usage.write()


async def sees_an_hour_pass(world: World) -> None:
    alter(world.node.gateway, wall=world.node.gateway.wall + 3_600_000)


async def doubts_the_upstream(world: World) -> None:
    world.pool.failed("a test")


CHANGES = (
    *(is_deactivated, expires, is_edited, has_a_limit, has_a_quota, is_configured_anew, stops),
    *(writes_its_usage, sees_an_hour_pass, doubts_the_upstream),
)


@pytest.mark.parametrize("change", CHANGES, ids=[each.__name__ for each in CHANGES])
@pytest.mark.parametrize("at", ["before", "meanwhile", "just before the answer"])
async def test_a_change_holds_for_the_next_request(
    world: World, change: Callable[[World], Awaitable[None]], at: str
) -> None:
    """And for the one that is in progress, as it would for any other."""
    gateway, now = world.node.gateway, world.node.gateway.wall
    runtime = gateway.runtime

    async def script(talk: Conversation) -> None:
        if at == "before":
            await change(world)
        await talk.asks(talk.head())
        if at != "before":
            await change(world)
        if at == "meanwhile":
            talk.settles()
            talk.ticks(1)
        talk.answers(ANSWER)
        for number in range(3):
            await talk.asks(talk.head(number))
            talk.answers(ANSWER)
        alter(gateway, runtime=runtime, draining=False, wall=now)
        await world.put(world.key_a.key)
        world.pool.answered(200)

    await alike(world, script)


async def test_a_key_with_limits_is_repeated_and_each_request_counts(
    world: World, begun: list[bool]
) -> None:
    """The first one too many is refused."""
    await world.put(renewed(world.key_a, limits=parse_limits({"rate": "6/h", "burst": 6})))

    async def script(talk: Conversation) -> None:
        begun.clear()
        for _ in range(4):
            await talk.asks(talk.head())
            talk.answers(ANSWER)

    told = await held(world, script)
    assert begun == [True, True, True, False]
    assert [each for each in told.client if each][-2].startswith(b"HTTP/1.1 429")
    await world.put(world.key_a.key)


async def test_an_upstream_that_does_not_read_gets_no_further_request(world: World) -> None:
    """Its connection is not kept, though it answered: whenever it ceased to read."""
    for stalls_before in (False, True):

        async def script(talk: Conversation, *, stalls_before: bool = stalls_before) -> None:
            if stalls_before:
                talk.upstream_stalls(True)
            await talk.asks(talk.head())
            if not stalls_before:
                talk.upstream_stalls(True)
            talk.answers(ANSWER)
            assert stalls_before or not talk.connections
            await talk.asks(talk.head())
            talk.answers(ANSWER)

        await alike(world, script)


@pytest.mark.parametrize("number", [0, 5], ids=["of a repeat", "of an exchange"])
@pytest.mark.parametrize("ticks", [0, 1])
async def test_a_key_that_soon_expires_is_told_of_from_then_on(
    world: World, number: int, ticks: int
) -> None:
    """Also on a connection with a request in progress when the notice begins."""
    gateway, day = world.node.gateway, 86_400_000
    runtime, now = gateway.runtime, gateway.wall
    alter(gateway, runtime=replace(runtime, expiry_notice=day))
    await world.put(renewed(world.key_a, expires=now + day + 2000))

    async def script(talk: Conversation) -> None:
        await talk.asks(talk.head(number))
        alter(gateway, wall=now + 2001)
        if ticks:
            talk.ticks(1)
        talk.answers(ANSWER)
        for _ in range(3):
            await talk.asks(talk.head(number))
            talk.answers(ANSWER)
        alter(gateway, wall=now)

    told = await alike(world, script)
    answers = [each for each in told.client if each.startswith(b"HTTP/1.1")]
    assert [b"Wardgate-Key-Expires" in each for each in answers] == [False] * 4 + [True] * 3
    alter(gateway, runtime=runtime)
    await world.put(world.key_a.key)
