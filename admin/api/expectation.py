"""Expect (RFC 9110 section 10.1.1): who may send a body is told so once it is going to be read.

So nobody without a key is, nor a client whose request is refused for another reason. What `Expect`
says is kept here by the connection, out of aiohttp's sight. (Tested by
tests/admin/api/test_connection.py.)
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from admin.service.errors import Refused
from proxy.http1.error_response import CONTINUE

EXPECTED: Final = web.RequestKey("expected", str)
"""The value of Expect, until it is met."""


def require_known(request: web.Request) -> None:
    """Raise `Refused` for an expectation other than 100-continue."""
    if request.get(EXPECTED, "100-continue").lower() != "100-continue":
        raise Refused("ExpectationFailed")


async def meet(request: web.Request) -> None:
    """Send 100 to a client that waits for it before it sends its body."""
    if request.pop(EXPECTED, None) is not None:
        await request.writer.write(CONTINUE)
        request.writer.output_size = 0  # It is no part of the answer.
