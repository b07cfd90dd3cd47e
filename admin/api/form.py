"""Forms in request bodies, as browsers send them.

Tested in `tests/admin/console/test_forms.py`.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

from aiohttp import web

from admin.api.body import body_bytes
from admin.service.errors import Refused

FORM: Final = "application/x-www-form-urlencoded"
MAX_FIELDS: Final = 1000
MAX_SIZE: Final = 64 * 1024
"""Bytes. To read a body of a megabyte takes tens of milliseconds, and needs no key."""


def is_form(request: web.Request) -> bool:
    """Whether the body is a form."""
    return request.content_type == FORM


async def form_of(request: web.Request) -> dict[str, str]:
    """The fields of the form in the body; none where there is no body. Of two fields with one name
    the first counts. Raises `Refused`."""
    return dict(reversed(await pairs_of(request)))


async def pairs_of(request: web.Request) -> list[tuple[str, str]]:
    """All fields of the form in the body, in order. Raises `Refused`.

    They are read as UTF-8 whatever charset is named, since the pages are in UTF-8. What is not
    UTF-8 is replaced.
    """
    if not request.body_exists:
        return []
    if not is_form(request):
        raise Refused("UnsupportedMediaType", f"a form is sent as {FORM}")
    if request.content_length is None:
        raise Refused("BadRequest", "a form is sent with its length")
    if request.content_length > MAX_SIZE:
        raise Refused("ContentTooLarge", f"a form has at most {MAX_SIZE} bytes")
    body = await body_bytes(request)
    return parse_form(body.decode("utf-8", "replace"))


def parse_form(text: str) -> list[tuple[str, str]]:
    """The fields of a form. Raises `Refused`."""
    try:
        return parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=MAX_FIELDS)
    except ValueError:
        raise Refused("BadRequest", f"a form has at most {MAX_FIELDS} fields") from None
