"""Request bodies: JSON, whatever Content-Type says, because Rancher's clients do not send it."""

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
    """The JSON object in the body; an empty object where there is no body. Raises `Refused`."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Refused("UnsupportedMediaType")
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            body = (await request.read()).strip()
    except TimeoutError:
        raise Refused("RequestTimeout") from None
    except (web.RequestPayloadError, ConnectionError):
        raise Refused(
            "BadRequest",
            "the body ends before the length that the head announces, or is framed wrongly",
        ) from None
    if not body:
        return {}
    return parse(body)


def parse(body: bytes) -> dict[str, Any]:
    """Parse a JSON object in UTF-8. Raises `Refused`.

    An object with a name twice is refused, since RFC 8259 section 4 leaves open which value counts.
    So are NaN and Infinity, which Python would accept.
    """
    try:
        value = json.loads(
            body.decode(), object_pairs_hook=_unique_names, parse_constant=_refuse_constant
        )
    except (
        ValueError,
        RecursionError,
    ):  # ValueError includes JSONDecodeError and UnicodeDecodeError.
        raise Refused("InvalidBodyContent") from None
    if not isinstance(value, dict):
        raise Refused("InvalidBodyContent")
    return value


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("an object has a name twice")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
