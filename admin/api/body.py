"""Request bodies: JSON, whatever the Content-Type says, for Rancher's clients send none."""

from __future__ import annotations

import asyncio
import json
from typing import Any, NoReturn

from aiohttp import web

from admin.service.errors import Refused

MAX_BODY = 1024 * 1024
"""Bytes."""
BODY_TIMEOUT = 30.0
"""Seconds for a whole body."""


async def body_of(request: web.Request) -> dict[str, Any]:
    """The JSON object in the body, an empty one where there is no body. Raises `Refused`."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Refused("UnsupportedMediaType")
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            body = (await request.read()).strip()
    except TimeoutError:
        raise Refused("RequestTimeout") from None
    except (web.RequestPayloadError, ConnectionError):
        raise Refused("BadRequest", "the body does not end as the head says") from None
    if not body:
        return {}
    return parse(body)


def parse(body: bytes) -> dict[str, Any]:
    """A JSON object in UTF-8. Raises `Refused`.

    A name given twice is refused (RFC 8259 section 4 leaves open which one counts), and so are the
    numbers that JSON does not have.
    """
    try:
        value = json.loads(
            body.decode(), object_pairs_hook=_no_doubles, parse_constant=_no_constant
        )
    except (ValueError, RecursionError):  # ValueError: JSONDecodeError and UnicodeDecodeError too
        raise Refused("InvalidBodyContent") from None
    if not isinstance(value, dict):
        raise Refused("InvalidBodyContent")
    return value


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name is given twice")
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
