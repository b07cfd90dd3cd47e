"""A request that is refused by a `RepeatedRefusal` gets what an exchange would answer.

Each conversation is held twice, as in `test_repeat.py`: what the client gets, the log and the
counters have to be the same.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.auth.ratelimit import GuessLimiter
from proxy.domain.model import State
from proxy.domain.settings import ACCESS_CONTROL
from proxy.gateway.repeated_refusal import RepeatedRefusal
from tests.harness import World, alter, running_world
from tests.hostile.row import PAIR, Row
from tests.memory import Memory
from tests.proxy.gateway.conversation import ANSWER, Conversation, Told, without_repeats
from tests.proxy.gateway.test_repeat import CHANGES, REQUESTS, Script, alike, held
from tests.support.seed import new_key

pytestmark = pytest.mark.asyncio(loop_scope="module")

IMPORTED = "imported"


def pair(number: int) -> bytes:
    """Forged credentials, each number others."""
    return b"Basic " + base64.b64encode(b"%020d:wgs_%040d" % (number, number))


def forged(talk: Conversation, number: int, *lines: bytes) -> bytes:
    """A request with forged credentials, and more field lines."""
    head = talk.head().replace(talk.authorization, pair(number))
    return head.replace(b"X-Number", b"".join(line + b"\r\n" for line in lines) + b"X-Number")


async def guesses(talk: Conversation, *numbers: int) -> None:
    """Refused requests, one after the other."""
    for number in numbers:
        await talk.asks(forged(talk, number))


def refused(script: Script) -> Script:
    """The script, on a connection that was refused before. No guess is forgiven with time."""

    async def behind(talk: Conversation) -> None:
        talk.world.node.authenticator._guesses = GuessLimiter(lambda: 0.0)
        await guesses(talk, 1, 2, 3, 4)
        await script(talk)

    return behind


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each request for which there was a `RepeatedRefusal` was answered by it."""
    seen: list[bool] = []
    answers = RepeatedRefusal.answers

    def noted(self: RepeatedRefusal, data: bytes) -> bool:
        seen.append(answers(self, data))
        return seen[-1]

    monkeypatch.setattr(RepeatedRefusal, "answers", noted)
    return seen


def reasons(told: Told) -> list[str]:
    """Why each request was refused."""
    return [line["reason"] for line in told.log if "reason" in line]


async def test_a_guess_that_is_refused_as_the_one_before_takes_no_exchange(
    world: World, answered: list[bool]
) -> None:
    """Also the same one again; and from the 21st guess on the answer is another one."""

    async def script(talk: Conversation) -> None:
        answered.clear()
        await guesses(talk, *range(5, 25), 24, 24, 5)

    told = await alike(world, refused(script))
    assert answered == [True] * 23
    assert reasons(told) == ["forged"] * 20 + ["too-many-failures"] * 7
    last = [each for each in told.client if each][-2]
    assert last.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")


async def test_a_request_without_credentials_is_refused_again(
    world: World, answered: list[bool]
) -> None:
    """So is one with malformed ones, whatever was wrong with those before."""

    async def script(talk: Conversation) -> None:
        head = talk.head().replace(b"Authorization: %b\r\n" % talk.authorization, b"")
        for number in range(4):
            await talk.asks(head.replace(b"X-Number: 0", b"X-Number: %d" % number))
        answered.clear()
        await talk.asks(head)
        for each in (b"Basic a", b"Basic b", b"Basic c", b"Basic !", b"Bearer x", pair(1)):
            await talk.asks(talk.head().replace(talk.authorization, each))

    told = await alike(world, script)
    assert answered == [True, False, True, True, True, True]
    assert reasons(told)[4:] == ["no-credentials", *["malformed-credentials"] * 5, "forged"]


async def test_a_guess_that_finds_no_room_to_be_verified_takes_no_exchange(
    world: World, answered: list[bool]
) -> None:
    """As most of a flood where imported keys are stored. Once there is room it is verified."""
    await has_an_imported_key(world)
    world.inside.drop_floor(4)

    async def script(talk: Conversation) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("proxy.auth.authenticator.MAX_WAITING_UNSEALED", 0)
            await guesses(talk, 5, 6, 7)
            answered.clear()
            await guesses(talk, 8, 9, 9)
        await guesses(talk, 10, 11)

    told = await alike(world, refused(script))
    imported = replace(world.key_a.key, id=50, access_key=IMPORTED, sealed=False)
    await world.put(replace(imported, state=State.REMOVED))
    world.node.records.unsealed_rounds = 0
    assert answered == [True, True, True, False, False]
    assert reasons(told)[4:] == ["busy"] * 6 + ["unknown-key"] * 2


async def test_a_good_key_is_served_behind_refusals(world: World, answered: list[bool]) -> None:
    """And a refusal behind it takes an exchange, until there are several again."""

    async def script(talk: Conversation) -> None:
        answered.clear()
        await talk.asks(talk.head())
        talk.answers(ANSWER)
        await guesses(talk, 5, 6, 7)

    told = await alike(world, refused(script))
    assert answered == [False, True, True]
    assert [line["status"] for line in told.log][-4:] == [200, 401, 401, 401]


@pytest.mark.parametrize("row", REQUESTS, ids=[row.name for row in REQUESTS])
async def test_a_hostile_request_after_refused_ones(world: World, row: Row) -> None:
    """It gets the same answer at once, in two pieces, and behind a refused one; with a good key and
    with a forged one."""
    for credentials in (world.key_a.basic.split()[-1], pair(9).split()[-1]):
        sent = row.sent.replace(PAIR, credentials)

        async def script(talk: Conversation, sent: bytes = sent) -> None:
            await talk.asks(sent)
            talk.answers(ANSWER)
            await guesses(talk, 5)

        async def split(talk: Conversation, sent: bytes = sent) -> None:
            await talk.asks(sent[: len(sent) // 2], sent[len(sent) // 2 :])
            talk.answers(ANSWER)

        async def behind(talk: Conversation, sent: bytes = sent) -> None:
            await talk.asks(forged(talk, 5) + sent)
            talk.answers(ANSWER)

        for each in (script, split, behind):
            await alike(world, refused(each))


def kept(talk: Conversation, value: bytes) -> Awaitable[None]:
    """A request with this value of Authorization."""
    return talk.asks(talk.head().replace(talk.authorization, value))


# --- what changes a refusal ---


async def is_switched_off(world: World) -> None:
    """Access control is."""
    async with world.store.write() as change:
        await change.put_setting(ACCESS_CONTROL, "off")


async def has_an_imported_key(world: World) -> None:
    await world.put(replace(world.key_a.key, id=50, access_key=IMPORTED, sealed=False))


async def sees_a_second_pass(world: World) -> None:
    alter(world.node.gateway, date=b"Thu, 01 Jan 1970 00:00:00 GMT")


@pytest.mark.parametrize(
    "change",
    [*CHANGES, is_switched_off, has_an_imported_key, sees_a_second_pass],
    ids=lambda each: each.__name__,
)
async def test_a_change_holds_for_the_next_guess(
    world: World, change: Callable[[World], Awaitable[None]], answered: list[bool]
) -> None:
    """Whatever it is: of the configuration, of a record, of the time."""
    gateway = world.node.gateway
    runtime, now, date = gateway.runtime, gateway.wall, gateway.date
    world.inside.drop_floor(4)

    async def script(talk: Conversation) -> None:
        await guesses(talk, 5)
        await change(world)
        await guesses(talk, 6, 7, 8)
        talk.answers(ANSWER)
        alter(gateway, runtime=runtime, draining=False, wall=now, date=date)
        async with world.store.write() as undo:
            await undo.put_setting(ACCESS_CONTROL, "on")
        await world.put(world.key_a.key)
        imported = replace(world.key_a.key, id=50, access_key=IMPORTED, sealed=False)
        await world.put(replace(imported, state=State.REMOVED))
        world.node.records.unsealed_rounds = 0
        world.pool.answered(200)

    await alike(world, refused(script))
    assert True in answered


async def test_a_guess_counts_once_also_where_it_is_not_refused_any_more(world: World) -> None:
    """It passes while access control is off. Of the 20 that its source has, 5 are counted then."""

    async def script(talk: Conversation) -> None:
        await is_switched_off(world)
        await guesses(talk, 5)
        talk.answers(ANSWER)
        async with world.store.write() as undo:
            await undo.put_setting(ACCESS_CONTROL, "on")
        await guesses(talk, *range(6, 26))

    told = await alike(world, refused(script))
    assert reasons(told) == ["forged"] * (4 + 15) + ["too-many-failures"] * 5


async def test_a_key_that_is_made_is_served_on_a_connection_that_was_refused(
    world: World, answered: list[bool]
) -> None:
    """Its pair was refused just before, as that of no key."""
    made = new_key(world.store, 60, environment_id=3)
    basic = made.basic.partition(b":")[2].strip()

    async def script(talk: Conversation) -> None:
        await world.put(replace(made.key, state=State.REMOVED))
        for _ in range(4):
            await kept(talk, basic)
        await world.put(made.key)
        await kept(talk, basic)
        talk.answers(ANSWER)

    told = await alike(world, script)
    assert [line["status"] for line in told.log][-5:] == [401] * 4 + [200]


async def test_a_client_that_does_not_read_gets_no_more_refusals(
    world: World, answered: list[bool]
) -> None:
    """Its transport may say so at any write. The next request waits until it reads."""

    async def script(talk: Conversation) -> None:
        write = talk.client.write

        def blocks(data: Any) -> None:
            write(data)
            talk.downstream.pause_writing()

        talk.client.write = blocks  # type: ignore[method-assign]
        await guesses(talk, 5)
        talk.client.write = write  # type: ignore[method-assign]
        await guesses(talk, 6, 7)
        talk.client_stalls(False)
        await guesses(talk, 8)

    told = await alike(world, refused(script))
    assert reasons(told) == ["forged"] * 8


async def test_its_duration_is_that_from_the_head_to_the_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of any other request, and in the same form."""
    now = 0.0

    class Slow(Memory):
        def write(self, data: Any) -> None:
            nonlocal now
            now += 0.01234
            super().write(data)

    for module in ("exchange", "recorded", "repeated_refusal"):
        monkeypatch.setattr(f"proxy.gateway.{module}.monotonic", lambda: now)
    monkeypatch.setattr("tests.proxy.gateway.conversation.Memory", Slow)
    log = world.node.gateway.telemetry.log

    async def script(talk: Conversation) -> None:
        begun = len(log._lines)
        await guesses(talk, 5, 6)
        assert [line.count(b'"ms":12.3,"reason":"forged",') for line in log._lines[begun:]] == [
            1,
            1,
        ]

    await alike(world, refused(script))


PRESENTATIONS: dict[str, dict[str, Any]] = {
    "cors": {"cors": {"origins": ["https://app.example.com"]}},
    "bearer": {"credentials": ["bearer"]},
    "a field": {"credentials": ["basic", {"header": "X-Api-Key"}]},
}
LINES = (
    (b"Origin: https://app.example.com",),
    (b"Origin: https://elsewhere.example.com",),
    (b"X-Api-Key: a:b",),
    (b"X-Api-Key: a:c",),
    (b"X-Api-No-Challenge: true",),
    (),
)


@pytest.mark.parametrize("route", PRESENTATIONS)
async def test_a_refusal_is_the_same_however_a_route_answers(tmp_path: Path, route: str) -> None:
    """Its challenge, and what it says to pages of other origins."""
    routes = [{"path": "/v1/projects/{environment}/**"} | PRESENTATIONS[route]]

    async def script(talk: Conversation) -> None:
        for lines in LINES:
            for number in range(1, 5):
                await talk.asks(forged(talk, number, *lines))

    async with running_world(tmp_path, routes=routes) as world:
        with without_repeats():
            expected = await held(world, script, warm=False)
        assert await held(world, script, warm=False) == expected
