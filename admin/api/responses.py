"""Errors → answers: what the admin server tells of a refusal or a failure, in one body.

The body is Rancher's error with `title` added, which makes it a problem of RFC 9457 as well.
"""

from __future__ import annotations

import uuid
from typing import Any, Final

from aiohttp import web

from admin.api.html_view import page_of, wants_page
from admin.api.representations import Links
from admin.service.errors import Refused
from proxy.auth.authenticator import Busy
from proxy.domain.model import ActionNotAvailable, NotUnique, StoreUnavailable
from proxy.http1.error_response import CHALLENGE, RETRY_LATER, error_body, media_type

METHODS: Final = ("DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT")
"""What a resource takes in one state or another."""

_OF_STATUS: Final = {
    404: "NotFound",
    405: "MethodNotAllowed",
    413: "ContentTooLarge",
}
"""The codes of what aiohttp itself raises."""


LINKS: Final = web.RequestKey("links", Links)
"""Where the request was sent to, as everything in its answer has it."""


def answer(request: web.BaseRequest, body: dict[str, Any], status: int = 200) -> web.Response:
    """`body` as JSON, or as a page where a browser asks."""
    if wants_page(request):
        response = page_of(body, request[LINKS].origin)
        response.set_status(status)
        return response
    return web.json_response(body, status=status)


def refusal_of(error: Exception, method: str) -> Refused:
    """How an error is told to whoever asked, by `method`. Anything unforeseen is InternalError."""
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
        case StoreUnavailable() | Busy():
            return Refused("ServiceUnavailable")
        case web.HTTPMethodNotAllowed():
            return Refused("MethodNotAllowed", allow=allowed(error))
        case web.HTTPException() if error.status in _OF_STATUS:
            return Refused(_OF_STATUS[error.status])
        case web.HTTPException() if 400 <= error.status < 500:
            return Refused("BadRequest")
        case _:
            return Refused("InternalError")


def allowed(error: web.HTTPMethodNotAllowed) -> tuple[str, ...]:
    """The methods that a path takes, OPTIONS among them."""
    return tuple(sorted({*error.allowed_methods, "OPTIONS"}))


def response_of(refused: Refused, *, problem: bool, challenge: bool) -> web.Response:
    """The answer that tells of a refusal.

    `problem`: as RFC 9457's media type; `challenge`: whether a 401 carries one.
    """
    body = error_body(
        str(uuid.uuid4()),
        refused.status,
        refused.code,
        refused.message,
        detail=refused.detail,
        field=refused.field,
    )
    content_type = media_type(problem=problem)
    response = web.json_response(body, status=refused.status, content_type=content_type)
    if refused.status == 401 and challenge:
        response.headers["WWW-Authenticate"] = CHALLENGE
    if refused.allow:
        response.headers["Allow"] = ", ".join(refused.allow)
    if refused.status in RETRY_LATER:
        response.headers["Retry-After"] = "1"
    return response
