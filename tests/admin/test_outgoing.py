"""Nothing that answers the admin server's own requests holds up the event loop."""

from __future__ import annotations

import asyncio
import socket
import threading

import uvloop

from admin.outgoing import RECEIVED, session

INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"
SENT = 80_000
"""Interim answers: 2 MB."""


def test_a_flood_of_interim_answers_leaves_turns_of_the_event_loop_to_others() -> None:
    """However fast they come: at each turn, no more are read than have room in a small buffer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_flood, args=(server,))
        thread.start()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            turns = runner.run(_turns_during(server.getsockname()[1]))
        thread.join()
    assert turns > SENT * len(INTERIM) // (2 * RECEIVED)


def _flood(server: socket.socket) -> None:
    connection = server.accept()[0]
    with connection:
        connection.recv(65536)
        connection.sendall(INTERIM * SENT + b"HTTP/1.1 204 No Content\r\n\r\n")


async def _turns_during(port: int) -> int:
    """How many turns others get while a request is answered."""
    turns, done = 0, False

    async def others() -> None:
        nonlocal turns
        while not done:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(others())
    async with session(context=True) as client, client.get(f"http://127.0.0.1:{port}/") as answer:
        assert answer.status == 204
    done = True
    await counting
    return turns
