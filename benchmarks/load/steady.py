"""Clients that send GET requests at a steady rate over kept connections, while servers fail.

The task: `port`, `head` (of the request, as text), `clients`, `pause` (seconds between two requests
of a client), `seconds`. Reports, for each request, when it began in seconds since the start, how
long it took, and its status; 0 where there was no answer within ten seconds.
"""

from __future__ import annotations

import asyncio
import time

import uvloop

from benchmarks.load import read_task, report

PATIENCE = 10.0


async def client(
    port: int, head: bytes, pause: float, began: float, end: float, seen: list[list[float]]
) -> None:
    """One client, which opens a connection again where one has failed."""
    connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    while (now := time.monotonic()) < end:
        status = 0
        try:
            async with asyncio.timeout(PATIENCE):
                if connection is None:
                    connection = await asyncio.open_connection("127.0.0.1", port)
                reader, writer = connection
                writer.write(head)
                answer = await reader.readuntil(b"\r\n\r\n")
                fields = answer.lower()
                length = int(fields.partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
                await reader.readexactly(length)
                status = int(answer[9:12])
                if b"connection: close" in fields:
                    raise ConnectionResetError
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            if connection is not None:
                connection[1].transport.abort()
            connection = None
        seen.append([now - began, time.monotonic() - now, status])
        await asyncio.sleep(pause)


async def main() -> None:
    task = read_task()
    began = time.monotonic()
    seen: list[list[float]] = []
    head, end = task["head"].encode(), began + task["seconds"]
    report(started=True)
    await asyncio.gather(
        *(
            client(task["port"], head, task["pause"], began, end, seen)
            for _ in range(task["clients"])
        )
    )
    report(requests=seen)


if __name__ == "__main__":
    uvloop.run(main())
