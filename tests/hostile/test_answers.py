"""Upstreams whose answers two parsers would read differently: what the client gets of them."""

from __future__ import annotations

import asyncio
import re

import pytest

from tests.harness import OK, World, status, until
from tests.hostile.answers import ANSWERS, STOLEN, Answer, Fate

pytestmark = pytest.mark.asyncio(loop_scope="module")


def final_status(received: bytes) -> bytes:
    """The status of the last head."""
    return bytes(re.findall(rb"HTTP/1\.[01] (\d{3})", received)[-1])


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.name)
@pytest.mark.parametrize("drips", [False, True], ids=["at-once", "dripped"])
async def test_an_invalid_answer_reaches_no_client(
    world: World, answer: Answer, drips: bool
) -> None:
    """Its own client gets what the row says. The connection that it came on carries nothing more,
    and the next client, of another environment, gets its own answer and not a byte of this one."""
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        request = await reader.readuntil(b"\r\n\r\n")
        if b"/b/" in request:
            writer.write(OK)
        else:
            step = max(1, len(answer.sent) // 100) if drips else len(answer.sent) or 1
            for at in range(0, len(answer.sent), step):
                writer.write(answer.sent[at : at + step])
                await asyncio.sleep(0)
            if answer.ends:
                return
        await reader.read()

    world.upstream.handle = serve
    request = world.request(b"/v1/projects/a/x", *answer.fields, method=answer.method)
    received, reset = await world.receive(request)
    assert reset == (answer.fate is Fate.CUT)
    if answer.fate is Fate.REFUSED:
        assert status(received) == 502
    elif answer.fate is Fate.CUT:
        assert status(received) == 200
        assert not received.endswith(b"\r\n0\r\n\r\n")
    else:
        assert final_status(received) == final_status(answer.sent.partition(STOLEN)[0])
    assert STOLEN not in received
    other = await world.send(world.request(b"/v1/projects/b/x", pair=world.key_b))
    assert status(other) == 200
    assert other.endswith(b"\r\n\r\nok")
    assert other.count(b"HTTP/1.1 ") == 1
    assert connections == 2


LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: " + b"x" * 3000


@pytest.mark.parametrize(
    ("pieces", "reason"),
    [
        ((LONG + b"\r", b"\n\r\nok"), None),
        ((LONG + b"\r\n", b"\r\nok"), None),
        ((LONG + b"\r\n\r", b"\nok"), None),
        ((LONG, b"\n"), "upstream-line-end"),
    ],
)
async def test_the_end_of_a_long_head_is_found_wherever_it_is_split(
    world: World, pieces: tuple[bytes, ...], reason: str | None
) -> None:
    """And so is a bare line feed, which is refused."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        inside = world.inside
        (connection,) = filter(inside.carries, inside.upstream)

        def has_come() -> bool:
            """Whether the gateway has read the piece: it waits for the rest of a head, or not."""
            return inside.unread(connection).endswith(piece) or not inside.carries(connection)

        for piece in pieces:
            writer.write(piece)
            await until(has_come)
        await reader.read()

    world.upstream.handle = serve
    assert status(await world.send(world.request())) == (502 if reason else 200)
    assert world.log()[-1].get("reason") == reason
