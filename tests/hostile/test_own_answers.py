"""An answer answers its own request: whatever else an upstream says, nobody gets to hear it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness import World, status
from tests.hostile.answers import STOLEN
from tests.hostile.test_properties import ONE_GATE
from tests.patience import PATIENCE

pytestmark = pytest.mark.asyncio(loop_scope="module")

OK, CHUNKED = b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@dataclass(frozen=True)
class Said:
    """How an upstream answers one request. `@` stands for what only that request may hear."""

    answer: bytes
    whole: bool = True
    ends: bool = False
    """Whether the upstream closes behind it."""


said = st.sampled_from(
    [
        Said(OK + b"Content-Length: 8\r\n\r\n@"),
        Said(CHUNKED + b"8\r\n@\r\n0\r\n\r\n"),
        Said(b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 8\r\n\r\n@"),
        Said(b"HTTP/1.0 200 OK\r\nContent-Length: 8\r\n\r\n@"),
        Said(OK + b"\r\n@", ends=True),
        Said(OK + b"Content-Length: 9\r\n\r\n@", whole=False, ends=True),
        Said(CHUNKED + b"8\r\n@\r\n", whole=False, ends=True),
        Said(CHUNKED + b"8\r\n@\r\nx\r\n", whole=False),
        Said(b"HTTP/1.1 204 No Content\r\n\r\n@", whole=False),
        Said(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 8\r\n\r\n@", whole=False),
        Said(OK + b"Content-Length: 8\r\nContent-Length: 8\r\n\r\n@", whole=False),
        Said(b"", whole=False, ends=True),
    ]
)
stray = st.sampled_from(
    [b"", b"", b"", b"X", b"\r\n", STOLEN, STOLEN * 3, b"HTTP/1.1 100 Continue\r\n\r\n"]
)


@dataclass(frozen=True)
class Round:
    """A request and its answer, with what the upstream says beside it."""

    environment: bytes
    said: Said
    behind: bytes
    """In one piece with the answer."""
    later: bytes
    """Once the client has its answer."""


class Talker:
    """An upstream that says what the rounds tell it."""

    def __init__(self, rounds: list[Round]) -> None:
        self._rounds = rounds
        self._writer: asyncio.StreamWriter | None = None
        self._cut = asyncio.Event()

    async def speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        cut = asyncio.Event()
        try:
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                turn = int(request.split(b" ")[1].rpartition(b"/")[2])
                now = self._rounds[turn]
                self._writer, self._cut = writer, cut
                answer = now.said.answer.replace(b"@", b"tag-%04d" % turn)
                if now.said.ends:
                    writer.write(answer)
                    return
                writer.write(answer + now.behind)
        finally:
            cut.set()

    async def add(self, data: bytes) -> None:
        """Say something on the connection of the last request, and see it cut for that."""
        if data and self._writer is not None and not self._cut.is_set():
            self._writer.write(data)
            await asyncio.wait_for(self._cut.wait(), PATIENCE)


async def ask(world: World, turn: int, environment: bytes) -> tuple[bytes, bool]:
    """(what a client of `environment` gets, whether its connection broke)."""
    pair = world.key_b if environment == b"b" else world.key_a
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    writer.write(world.request(b"/v1/projects/%b/%d" % (environment, turn), pair=pair))
    heard = b""
    try:
        while data := await asyncio.wait_for(reader.read(65536), PATIENCE):
            heard += data
    except ConnectionResetError:
        return heard, True
    finally:
        writer.close()
    return heard, False


@given(
    rounds=st.lists(
        st.builds(Round, st.sampled_from([b"a", b"b"]), said, stray, stray), min_size=2, max_size=6
    )
)
@settings(max_examples=150, deadline=None, suppress_health_check=ONE_GATE)
async def test_an_answer_answers_its_own_request_alone(world: World, rounds: list[Round]) -> None:
    """Between, behind or instead of answers: what is beside them reaches no client."""
    for pool in world.node.gateway.runtime.pools.values():
        pool.close()
    talker = Talker(rounds)
    world.upstream.handle = talker.speak
    for turn, now in enumerate(rounds):
        heard, broke = await ask(world, turn, now.environment)
        own = b"tag-%04d" % turn
        assert b"STOLEN" not in heard
        assert heard.replace(own, b"").count(b"tag-") == 0
        if now.said.whole:
            assert status(heard) == 200
            assert own in heard
            assert not broke
        else:
            assert broke or (status(heard) in {204, 304, 502} and own not in heard)
        await talker.add(now.later)
