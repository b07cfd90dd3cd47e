"""Errors → answers: every refusal and failure has the one body of `http1.error_response`.
(Tested by tests/admin/api/test_middleware.py.)"""

from __future__ import annotations

import json
import uuid
from typing import Any, Final

from aiohttp import web

from admin.api.representations import Json, Links
from admin.service.errors import Refused
from proxy.domain.errors import (
    ActionNotAvailable,
    Busy,
    ListTooCostly,
    NotUnique,
    StoreUnavailable,
)
from proxy.http1.error_response import CHALLENGE, RETRY_LATER, error_body, media_type

METHODS: Final = ("DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT")
"""The methods that a resource takes in one state or another."""

_OF_STATUS: Final = {
    404: "NotFound",
    405: "MethodNotAllowed",
    413: "ContentTooLarge",
}
"""Status of what aiohttp itself raises → code."""


LINKS: Final = web.RequestKey("links", Links)
"""What the links in a request's answer begin with."""


class JsonAnswer(web.Response):
    """An answer of the API, which a browser gets as a page."""

    def __init__(self, content: dict[str, Any], status: int = 200) -> None:
        text = json.dumps(content)
        super().__init__(text=text, status=status, content_type="application/json")
        self.content = content


def wants_page(request: web.BaseRequest) -> bool:
    """Whether to answer with a page: `?_format=` decides, else whether a browser asks, or the
    script of a page that wants a part of another one (htmx). To a 401 that is no page, a browser
    would ask for a password by itself."""
    wanted = request.query.get("_format")
    if wanted in {"html", "json"}:
        return wanted == "html"
    if "HX-Request" in request.headers:
        return True
    accept = request.headers.get("Accept", "")
    agent = request.headers.get("User-Agent", "").lower()
    return "mozilla" in agent and "text/html" in accept and "*/*" in accept


def refusal_of(error: Exception, method: str, *, known: bool) -> Refused:
    """The refusal that an error becomes, for a request with `method`; by default InternalError.

    `known`: whether the request has presented a valid key, so that it may see a cause.
    """
    match error:
        case Refused():
            return error
        case ActionNotAvailable() if method == "POST":
            return Refused("ActionNotAvailable", str(error), field="action")
        case ActionNotAvailable():
            others = tuple(other for other in METHODS if other != method)
            return Refused("MethodNotAllowed", str(error), allow=others)
        case NotUnique():
            return Refused("NotUnique", str(error), field=error.field)
        case StoreUnavailable() if known:
            return Refused("ServiceUnavailable", str(error))
        case StoreUnavailable():
            return Refused("ServiceUnavailable", "the store does not answer; retry in 1 s")
        case ListTooCostly():
            return Refused("ListTooCostly", "use fewer filters, and shorter patterns")
        case Busy():
            return Refused("ServiceUnavailable", "too many keys are being verified; retry in 1 s")
        case web.HTTPMethodNotAllowed():
            return Refused("MethodNotAllowed", allow=allowed_methods(error))
        case web.HTTPException() if error.status in _OF_STATUS:
            return Refused(_OF_STATUS[error.status])
        case web.HTTPException() if 400 <= error.status < 500:
            return Refused("BadRequest")
        case _:
            return Refused("InternalError")


def allowed_methods(error: web.HTTPMethodNotAllowed) -> tuple[str, ...]:
    """The methods that a path takes, with OPTIONS."""
    return tuple(sorted({*error.allowed_methods, "OPTIONS"}))


def response_of(refused: Refused, *, problem: bool, challenge: bool) -> web.Response:
    """The answer for a refusal.

    `problem`: whether with RFC 9457's media type; `challenge`: whether a 401 carries one.
    """
    content_type = media_type(problem=problem)
    content = error_json(refused)
    response = web.json_response(content, status=refused.status, content_type=content_type)
    if refused.status == 401 and challenge:
        response.headers["WWW-Authenticate"] = CHALLENGE
    if refused.allow:
        response.headers["Allow"] = ", ".join(refused.allow)
    if refused.status in RETRY_LATER:
        response.headers["Retry-After"] = "1"
    return response


def error_json(refused: Refused) -> Json:
    """A refusal as JSON."""
    return error_body(
        str(uuid.uuid4()),
        refused.status,
        refused.code,
        refused.message,
        detail=refused.detail,
        field=refused.field,
    )
