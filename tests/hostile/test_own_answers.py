"""An answer reaches the client of its own request alone, whatever else an upstream sends."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness import World, status
from tests.hostile.answers import STOLEN
from tests.hostile.test_properties import ONE_GATEWAY
from tests.patience import PATIENCE

pytestmark = pytest.mark.asyncio(loop_scope="module")

OK, CHUNKED = b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@dataclass(frozen=True)
class Answer:
    """How an upstream answers one request. `@` stands for the tag of that request's client."""

    sent: bytes
    whole: bool = True
    """Whether the client must get it."""
    ends: bool = False
    """Whether the upstream then closes the connection."""


answers = st.sampled_from(
    [
        Answer(OK + b"Content-Length: 8\r\n\r\n@"),
        Answer(CHUNKED + b"8\r\n@\r\n0\r\n\r\n"),
        Answer(b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 8\r\n\r\n@"),
        Answer(b"HTTP/1.0 200 OK\r\nContent-Length: 8\r\n\r\n@"),
        Answer(OK + b"\r\n@", ends=True),
        Answer(OK + b"Content-Length: 9\r\n\r\n@", whole=False, ends=True),
        Answer(CHUNKED + b"8\r\n@\r\n", whole=False, ends=True),
        Answer(CHUNKED + b"8\r\n@\r\nx\r\n", whole=False),
        Answer(b"HTTP/1.1 204 No Content\r\n\r\n@", whole=False),
        Answer(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 8\r\n\r\n@", whole=False),
        Answer(OK + b"Content-Length: 8\r\nContent-Length: 8\r\n\r\n@", whole=False),
        Answer(b"", whole=False, ends=True),
    ]
)
stray = st.sampled_from(
    [b"", b"", b"", b"X", b"\r\n", STOLEN, STOLEN * 3, b"HTTP/1.1 100 Continue\r\n\r\n"]
)


@dataclass(frozen=True)
class Round:
    """A request and its answer, with the stray bytes that the upstream sends after it."""

    environment: bytes
    answer: Answer
    at_once: bytes
    """Stray bytes in one piece with the answer."""
    later: bytes
    """Stray bytes that are sent when the client has its answer."""


class ScriptedUpstream:
    """An upstream that sends what the rounds say."""

    def __init__(self, rounds: list[Round]) -> None:
        self._rounds = rounds
        self._writer: asyncio.StreamWriter | None = None
        self._cut = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        cut = asyncio.Event()
        try:
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                turn = int(request.split(b" ")[1].rpartition(b"/")[2])
                now = self._rounds[turn]
                self._writer, self._cut = writer, cut
                answer = now.answer.sent.replace(b"@", b"tag-%04d" % turn)
                if now.answer.ends:
                    writer.write(answer)
                    return
                writer.write(answer + now.at_once)
        finally:
            cut.set()

    async def add(self, data: bytes) -> None:
        """Send stray bytes on the connection of the last request; the gateway must close it."""
        if data and self._writer is not None and not self._cut.is_set():
            self._writer.write(data)
            await asyncio.wait_for(self._cut.wait(), PATIENCE)


def request_of(world: World, turn: int, environment: bytes) -> bytes:
    """A request into `environment`, with the number of its round in its path."""
    pair = world.key_b if environment == b"b" else world.key_a
    return world.request(b"/v1/projects/%b/%d" % (environment, turn), pair=pair)


@given(
    rounds=st.lists(
        st.builds(Round, st.sampled_from([b"a", b"b"]), answers, stray, stray),
        min_size=2,
        max_size=6,
    )
)
@settings(max_examples=150, deadline=None, suppress_health_check=ONE_GATEWAY)
async def test_an_answer_reaches_the_client_of_its_own_request_alone(
    world: World, rounds: list[Round]
) -> None:
    """Stray bytes between, after or instead of answers reach no client."""
    world.pool.close()
    upstream = ScriptedUpstream(rounds)
    world.upstream.handle = upstream.serve
    for turn, now in enumerate(rounds):
        received, reset = await world.receive(request_of(world, turn, now.environment))
        own = b"tag-%04d" % turn
        assert b"STOLEN" not in received
        assert received.replace(own, b"").count(b"tag-") == 0
        if now.answer.whole:
            assert status(received) == 200
            assert own in received
            assert not reset
        else:
            assert reset or (status(received) in {204, 304, 502} and own not in received)
        await upstream.add(now.later)
