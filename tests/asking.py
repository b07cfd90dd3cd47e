"""What a proxy sends to the forward-auth listener to ask about a request, by each convention."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

_HEAD: Final = re.compile(rb"([^ \r\n]*) (.*?)(?: HTTP/[\d.]+)?\r\n(.*?\r\n)?\r\n", re.DOTALL)
CLIENT: Final = b"127.0.0.1"


def x_original(method: bytes, target: bytes, fields: bytes, client: bytes = CLIENT) -> bytes:
    """As nginx does, by the page on it in the docs."""
    told = b"X-Original-Method: %b\r\nX-Original-URI: %b\r\n" % (method, target)
    return _get(fields, told + b"X-Forwarded-For: %b\r\n" % client)


def x_forwarded(method: bytes, target: bytes, fields: bytes, client: bytes = CLIENT) -> bytes:
    """As Traefik and Caddy do.

    https://doc.traefik.io/traefik/v3.3/reference/routing-configuration/http/middlewares/forwardauth
    """
    told = b"X-Forwarded-Method: %b\r\nX-Forwarded-Uri: %b\r\n" % (method, target)
    told += b"X-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\n"
    return _get(fields, told + b"X-Forwarded-For: %b\r\n" % client)


def path(method: bytes, target: bytes, fields: bytes, client: bytes = CLIENT) -> bytes:
    """As Envoy does without `path_prefix`: the original line, without a body.

    https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/ext_authz/v3/ext_authz.proto
    """
    line = b"%b %b HTTP/1.1\r\n" % (method, target)
    return line + fields + b"Content-Length: 0\r\nX-Forwarded-For: %b\r\n\r\n" % client


def _get(fields: bytes, told: bytes) -> bytes:
    return b"GET /auth HTTP/1.1\r\n" + fields + told + b"\r\n"


CONVENTIONS: Final[dict[str, Callable[..., bytes]]] = {
    "x-original": x_original,
    "x-forwarded": x_forwarded,
    "path": path,
}


def asked(convention: str, request: bytes, client: bytes = CLIENT) -> bytes:
    """What a proxy sends to ask about a whole request without a body."""
    match = _HEAD.fullmatch(request)
    assert match is not None, request
    method, target, fields = match.groups(b"")
    return CONVENTIONS[convention](method, target, fields, client)
