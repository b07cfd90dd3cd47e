"""Request bodies: JSON, whatever Content-Type says, because Rancher's clients do not send it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any, Final, NoReturn

from aiohttp import web

from admin.api import expectation
from admin.service.errors import Refused

MAX_BODY = 1024 * 1024
"""Bytes."""
BODY_TIMEOUT = 30.0
"""Seconds for a whole body."""
OF_FORM: Final = web.RequestKey("of_form", dict[str, Any])
"""The JSON object that a form of the console stands for, where one is the body."""


async def body_of(request: web.Request) -> dict[str, Any]:
    """The JSON object in the body; an empty object where there is no body. Raises `Refused`."""
    if OF_FORM in request:
        return request[OF_FORM]
    body = await body_bytes(request)
    return parse(body) if body.strip() else {}


async def body_bytes(request: web.Request) -> bytes:
    """The whole body. Raises `Refused`."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Refused("UnsupportedMediaType")
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            await expectation.meet(request)
            return await request.read()
    except TimeoutError:
        raise Refused("RequestTimeout") from None
    except (web.RequestPayloadError, ConnectionError, RuntimeError):
        # RuntimeError: of aiohttp, where the connection was closed before the body was asked for.
        raise Refused(
            "BadRequest",
            "the body ends before the length that the head announces, or is framed wrongly",
        ) from None


def parse(body: bytes) -> dict[str, Any]:
    """Parse a JSON object in UTF-8. Raises `Refused`, which says where the fault is.

    An object with a name twice is refused, since RFC 8259 section 4 leaves open which value counts.
    So are NaN and Infinity, which Python would accept.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        where = _place(body[: error.start].decode())
        raise _not_json(f"{where}: a byte that is not UTF-8") from None
    try:
        value = json.loads(text, object_pairs_hook=_unique_names, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise _not_json(f"{_place(text[: error.pos])}: {error.msg}") from None
    except RecursionError:
        raise _not_json("it is nested too deeply") from None
    except ValueError as error:  # of the functions below, and of a number with too many digits
        raise _not_json(str(error)) from None
    if not isinstance(value, dict):
        raise _not_json(f"it is {_KINDS.get(type(value), 'a number')}, not an object")
    return value


_KINDS: Final = {list: "an array", str: "a string", bool: "true or false", type(None): "null"}


def _not_json(detail: str) -> Refused:
    return Refused("InvalidBodyContent", detail)


def _place(before: str) -> str:
    """Where in a text something stands that follows `before`."""
    line, last = before.count("\n") + 1, before.rpartition("\n")[2]
    return f"line {line}, column {len(last) + 1}"


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"an object has the name {json.dumps(twice[:80])} twice")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
