"""Requests to the admin server as bytes."""

from __future__ import annotations

import asyncio

from tests.admin.admin_api import AdminApi

READY = b"GET /readyz HTTP/1.1\r\nHost: h\r\n\r\n"
"""A request that takes no key."""


async def send(port: int, *pieces: bytes, shut: bool = False) -> bytes:
    """Send the pieces one by one, close that side if `shut`, which the admin server takes for the
    client's end, and read until the admin server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.05)  # so that each is likely to arrive on its own
    if shut:
        writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


def head(api: AdminApi, *lines: str) -> bytes:
    """A POST to the keys with the admin's credentials."""
    fields = [
        "POST /v2-beta/apikeys HTTP/1.1",
        "Host: 127.0.0.1",
        "Connection: close",
        f"Authorization: {api.admin.authorization}",
        *lines,
    ]
    return "\r\n".join([*fields, "", ""]).encode("latin-1")
