"""The responses that the gateway makes itself: one table, one body. Pure.

The body is Rancher's error with `title` added, which makes it a problem of RFC 9457 as well. Every
401 is the same whatever its cause: the reason goes to the access log alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from proxy.domain.methods import STANDARD
from proxy.domain.presentation import BASIC_SCHEME, BEARER_SCHEME, Presentation

REFUSALS: Final[dict[int, tuple[str, str]]] = {
    400: ("BadRequest", "Bad request: it is malformed or ambiguous"),
    401: ("Unauthorized", "Unauthorized"),
    403: ("Forbidden", "Forbidden: this key does not have the right"),
    404: ("NotFound", "Not found: no environment that this key reaches has the name in the path"),
    405: ("MethodNotAllowed", "Method not allowed"),
    408: ("RequestTimeout", "Request timeout: the request did not arrive in time"),
    413: ("ContentTooLarge", "Content too large"),
    414: ("UriTooLong", "URI too long"),
    417: ("ExpectationFailed", "Expectation failed: only 100-continue is supported"),
    429: ("TooManyRequests", "Too many requests: try again later"),
    431: ("RequestHeaderFieldsTooLarge", "Request header fields too large"),
    500: ("InternalError", "Internal server error: the gateway's log has the cause"),
    501: ("NotImplemented", "Not implemented: this transfer coding is not supported"),
    502: ("BadGateway", "Bad gateway: the upstream cannot be reached or gave no valid response"),
    503: ("ServiceUnavailable", "Service unavailable; retry in 1 s"),
    504: ("GatewayTimeout", "Gateway timeout: the upstream did not respond in time"),
    505: ("HttpVersionNotSupported", "HTTP version not supported"),
}
"""Status → code and message: one text for each status, whatever the reason was."""

CHALLENGE: Final = 'Basic realm="Enter API access key and secret key as username and password"'
"""Of every 401 of a route that accepts Basic (RFC 7617 section 2), in the words that Rancher's
clients know."""


@lru_cache(maxsize=64)
def challenge_of(accepted: Presentation) -> str:
    """The challenge of a 401: one that the route accepts (RFC 9110 section 15.5.2).

    Where Basic is accepted, nothing else is offered: every client that waits for a challenge knows
    Basic, and some take Bearer for the address of a server of tokens, as docker does. No scheme is
    registered for a field of its own; clients ignore a scheme that they do not know.
    """
    if BASIC_SCHEME in accepted.schemes:
        return CHALLENGE
    if BEARER_SCHEME in accepted.schemes:
        return 'Bearer realm="API access key and secret key"'
    return f'ApiKey field="{(accepted.field or b"").decode()}"'


RETRY_LATER: Final = frozenset({429, 503})
"""The statuses that come with a Retry-After."""
SOON: Final = b"Retry-After: 1\r\n"

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


def error_body(
    error_id: str,
    status: int,
    code: str,
    message: str,
    *,
    detail: str | None = None,
    field: str | None = None,
) -> dict[str, object]:
    """An error as JSON. `detail` is one line on this case, `field` the body's field to blame."""
    error: dict[str, object] = {
        "id": error_id,
        "type": "error",
        "links": {},
        "actions": {},
        "status": status,
        "code": code,
        "message": message,
        "title": message,
        "detail": detail,
        "baseType": "error",
    }
    return error if field is None else error | {"fieldName": field}


def media_type(*, problem: bool) -> str:
    """Of an error; `problem`: whether the client asked for RFC 9457's type."""
    return "application/problem+json" if problem else "application/json"


def refusal(
    status: int,
    request_id: bytes,
    date: bytes,
    *,
    head_only: bool = False,
    problem: bool = False,
    challenge: str = CHALLENGE,
    allow: Sequence[str] = (),
    cors: bytes = b"",
    later: bytes | None = None,
    connection: bytes = b"",
) -> bytes:
    """A whole response. `connection` is a field line with its CRLF, or empty, and `cors` are any
    number of such lines; `allow` is for a 405, by default the standard methods, and `later` are the
    lines of a 429 or 503 that say when to try again.

    `challenge`: that of a 401, or empty; `problem`: whether the client accepts RFC 9457's media
    type.
    """
    challenge = challenge if status == 401 else ""
    if status == 405 and not allow:
        allow = STANDARD
    lines = cors + connection
    form, length = _template(status, head_only, problem, challenge, tuple(allow), lines)
    values = {b"date": date, b"length": length + len(request_id), b"id": request_id}
    values[b"later"] = SOON if later is None else later
    return form % values


@lru_cache(maxsize=256)
def _template(
    status: int,
    head_only: bool,
    problem: bool,
    challenge: str,
    allow: tuple[str, ...],
    more: bytes,
) -> tuple[bytes, int]:
    """A refusal as a format, and the length of its body without the request's id. Cached, so that a
    flood of refused requests costs less than one of served requests."""
    code, message = REFUSALS[status]
    error = error_body("%(id)b", status, code, message)
    body = json.dumps(error, separators=(",", ":")).encode()
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode(),
        b"Date: %(date)b\r\n",
        f"Content-Type: {media_type(problem=problem)}\r\n".encode(),
        b"Content-Length: %(length)d\r\nCache-Control: no-store\r\nX-Request-Id: %(id)b\r\n",
    ]
    if challenge:
        lines.append(f"WWW-Authenticate: {challenge}\r\n".encode())
    if allow:
        lines.append(b"Allow: %b\r\n" % ", ".join(allow).encode())
    if status in RETRY_LATER:
        lines.append(b"%(later)b")
    lines += (more.replace(b"%", b"%%"), b"\r\n", b"" if head_only else body)
    return b"".join(lines), len(body) - len("%(id)b")


def permitted(request_id: bytes, date: bytes, lines: bytes) -> bytes:
    """A 200 without a body, which tells a proxy that it may forward a request. No cache may answer
    in its place."""
    head = b"HTTP/1.1 200 OK\r\nDate: %b\r\nContent-Length: 0\r\nCache-Control: no-store\r\n"
    return (head + b"%bX-Request-Id: %b\r\n\r\n") % (date, lines, request_id)


OF_THE_GATEWAY: Final = b"Allow: %b\r\n" % ", ".join(STANDARD).encode()
"""What the response to `OPTIONS *` says (RFC 9110 section 9.3.7), which is about the gateway
itself."""


def no_content(request_id: bytes, date: bytes, lines: bytes, connection: bytes) -> bytes:
    """A 204, which answers an OPTIONS by its field lines."""
    head = b"HTTP/1.1 204 No Content\r\nDate: %b\r\n%bX-Request-Id: %b\r\n%b\r\n"
    return head % (date, lines, request_id, connection)
