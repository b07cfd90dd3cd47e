"""Upstreams that answer in ways of which two readers would make different answers."""

from __future__ import annotations

import asyncio
import re

import pytest

from tests.harness import OK, World, status
from tests.hostile.answers import ANSWERS, STOLEN, Answer, Fate
from tests.patience import PATIENCE

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def heard(world: World, answer: Answer) -> tuple[bytes, bool]:
    """(what a client gets that asks for `answer`, whether its connection broke)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    writer.write(world.request(b"/v1/projects/a/x", *answer.fields, method=answer.method))
    said = b""
    try:
        while data := await asyncio.wait_for(reader.read(65536), PATIENCE):
            said += data
    except ConnectionResetError:
        return said, True
    finally:
        writer.close()
    return said, False


def final(said: bytes) -> bytes:
    """The status of the last head."""
    return bytes(re.findall(rb"HTTP/1\.[01] (\d{3})", said)[-1])


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.name)
@pytest.mark.parametrize("drips", [False, True], ids=["at-once", "dripped"])
async def test_what_is_no_answer_is_nobodys(world: World, answer: Answer, drips: bool) -> None:
    """The client hears so; the connection that said it carries nothing more; and the next client,
    of another environment, gets its own answer and not a byte of it."""
    connections = 0

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        request = await reader.readuntil(b"\r\n\r\n")
        if b"/b/" in request:
            writer.write(OK)
        else:
            step = max(1, len(answer.said) // 100) if drips else len(answer.said) or 1
            for at in range(0, len(answer.said), step):
                writer.write(answer.said[at : at + step])
                await asyncio.sleep(0)
            if answer.ends:
                return
        await reader.read()

    world.upstream.handle = speak
    said, broke = await heard(world, answer)
    assert broke == (answer.fate is Fate.CUT)
    if answer.fate is Fate.REFUSED:
        assert status(said) == 502
    elif answer.fate is Fate.CUT:
        assert status(said) == 200
        assert not said.endswith(b"\r\n0\r\n\r\n")
    else:
        assert final(said) == final(answer.said.partition(STOLEN)[0])
    assert STOLEN not in said
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
async def test_a_long_head_may_come_in_pieces(
    world: World, pieces: tuple[bytes, ...], reason: str | None
) -> None:
    """Its end is found wherever it is cut, and so is a bare line feed."""
    pool = world.node.gateway.runtime.pools["default"]

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        (connection,) = (each for each in pool._open if each._handler)
        for piece in pieces:
            writer.write(piece)
            async with asyncio.timeout(PATIENCE):
                while connection._buffer[-len(piece) :] != piece and connection._handler:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        await reader.read()

    world.upstream.handle = speak
    assert status(await world.send(world.request())) == (502 if reason else 200)
    assert world.log()[-1].get("reason") == reason
