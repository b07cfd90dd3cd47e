"""Messages arrive whole and in order, and nonsense ends the connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from proxy.workers import channel as channel_module
from proxy.workers.channel import Channel, Message
from tests.harness import until


class End:
    """One that keeps what it gets."""

    def __init__(self) -> None:
        self.received: list[Message] = []
        self.opened: list[Channel] = []
        self.closed: list[Channel] = []

    def make(self) -> Channel:
        """A channel that tells this one."""
        return Channel(self.take, self.opened.append, self.closed.append)

    def take(self, _channel: Channel, message: Message) -> None:
        """Keep a message."""
        if message == ["refused"]:
            raise ValueError("not this one")
        self.received.append(message)


@pytest.fixture
def end() -> End:
    return End()


@pytest_asyncio.fixture
async def path(tmp_path: Path, end: End) -> AsyncIterator[str]:
    """Of a socket on which `end` listens."""
    place = str(tmp_path / "socket")
    server = await asyncio.get_running_loop().create_unix_server(end.make, place)
    yield place
    for channel in end.opened:
        channel.close()
    server.close()


async def send(path: str, *pieces: bytes) -> asyncio.StreamWriter:
    """Send bytes as they are."""
    _, writer = await asyncio.open_unix_connection(path)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.005)
    return writer


async def test_messages_come_whole_and_in_order(path: str, end: End) -> None:
    """However the bytes are cut."""
    frames = b'\0\0\0\x07["a",1]' + b'\0\0\0\x05["b"]'
    writer = await send(path, *(frames[at : at + 1] for at in range(len(frames))))
    await until(lambda: len(end.received) == 2)
    assert end.received == [["a", 1], ["b"]]
    writer.close()


async def test_two_ends_talk(path: str, end: End) -> None:
    """What one sends, the other gets, both ways."""
    other = End()
    await asyncio.get_running_loop().create_unix_connection(other.make, path)
    other.opened[0].send("hello", 1, None, "\xff")
    await until(lambda: end.received)
    end.opened[0].send("welcome")
    await until(lambda: other.received)
    assert (end.received, other.received) == ([["hello", 1, None, "\xff"]], [["welcome"]])
    other.opened[0].close()
    await until(lambda: end.closed)
    end.opened[0].send("into the void")


@pytest.mark.parametrize(
    "sent",
    [
        b"\0\0\0\x01x",
        b"\0\0\0\x02{}",
        b"\0\0\0\x02\xff\xff",
        b"\xff\xff\xff\xff" + b"x" * 64,
        b'\0\0\0\x0b["refused"]',
    ],
)
async def test_nonsense_ends_the_connection(path: str, end: End, sent: bytes) -> None:
    """What is no JSON, no list, too long, or refused by who gets it."""
    writer = await send(path, sent)
    await until(lambda: end.closed)
    assert not end.received
    writer.close()


async def test_who_does_not_read_is_disconnected(
    path: str, end: End, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits for it is bounded."""
    monkeypatch.setattr(channel_module, "MOST", 1 << 20)
    writer = await send(path)
    await until(lambda: end.opened)
    for _ in range(40):
        end.opened[0].send("x" * (1 << 16))
    await until(lambda: end.closed)
    writer.close()
