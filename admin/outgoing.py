"""Requests of the admin server's own: to webhooks, and to a login provider.

The rule that lives here: what answers them may send what it likes, and does not hold up the event
loop, which serves the gateway too.

Tested in `tests/admin/test_outgoing.py`.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from typing import Final

import aiohttp
from aiohappyeyeballs import AddrInfoType

RECEIVED: Final = 16 * 1024
"""Bytes that the system takes from a server before they are read (Linux takes twice as many).
aiohttp bounds the head of an answer, but not the interim ones before it: as many as have arrived
are read in one turn of the event loop, some ten microseconds each. uvloop reads on as long as
there is something, so that a server which sent nothing else held all clients up for seconds."""


def session(
    context: ssl.SSLContext | bool, headers: Mapping[str, str] | None = None
) -> aiohttp.ClientSession:
    """A session without a memory, which takes no proxy and no credentials from the environment.
    `context` verifies the server; `headers` are sent with each request."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=context, force_close=True, socket_factory=_socket),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=headers,
        auto_decompress=False,
    )


def _socket(address: AddrInfoType) -> socket.socket:
    family, kind, protocol = address[:3]
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVED)
    return made
