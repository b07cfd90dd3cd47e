"""The fields of Cross-Origin Resource Sharing: preflights, and what a response says to a browser.

The rule that lives here: where a route has rules of its own, the upstream's `Access-Control-*`
fields do not reach the client, so that there are never two answers to one question. Pure, no I/O.
Source: the Fetch standard, https://fetch.spec.whatwg.org/#http-cors-protocol

Tested in `tests/proxy/gateway/test_cors.py`, and with a browser in `tests/clients/test_cors.py`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from proxy.domain.cors import ANY_ORIGIN, Cors, Preflight
from proxy.domain.methods import ANY, STANDARD, passes
from proxy.http1.faults import Malformed
from proxy.http1.fields import tokens
from proxy.http1.head import Head

_METHOD: Final = b"access-control-request-method"
_FIELDS: Final = b"access-control-request-headers"
READ: Final = frozenset({b"origin", _METHOD, _FIELDS})
"""The fields of a request that are read for it."""

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_VARY: Final = b"Vary: Origin\r\n"
_OF_THE_UPSTREAM: Final = re.compile(rb"^Access-Control-[^\r\n]*\r\n", re.I | re.M)


def preflight_of(head: Head) -> Preflight | None:
    """The preflight that a request is; None where it is something else.

    What a browser sends has no credentials, no body and no offer of another protocol. Since a
    preflight passes without a key, a request that has one of these is none.
    """
    fields = head.fields
    methods = fields.values(_METHOD)
    if head.request.method != b"OPTIONS" or fields.origin is None or len(methods) != 1:
        return None
    if fields.authorization or fields.pairs or head.has_body or fields.upgrade is not None:
        return None
    method = methods[0].decode("latin-1")
    try:
        asked = frozenset(tokens(fields.noted.get(_FIELDS, [])))
    except Malformed:  # no page sends so many fields
        return None
    return Preflight(fields.origin, method, asked) if _TOKEN(method) and passes(method) else None


def response_lines(cors: Cors, origin: bytes | None) -> bytes:
    """The field lines of a response to a page of `origin`; None where the request names none. A
    response that a cache keeps differs by origin even if it has no line for this one."""
    return _response_lines(cors, origin) if origin and cors.allows(origin) else _VARY


@lru_cache(maxsize=1024)
def _response_lines(cors: Cors, origin: bytes) -> bytes:
    lines = [_VARY, _allowed(cors, origin)]
    if cors.expose:
        lines.append(b"Access-Control-Expose-Headers: %b\r\n" % b", ".join(cors.expose))
    return b"".join(lines)


def preflight_lines(cors: Cors, preflight: Preflight) -> bytes:
    """The field lines of the answer to a preflight that `cors` does not refuse."""
    methods = cors.methods | {preflight.method}
    if ANY in methods:
        methods = methods - {ANY} | set(STANDARD)
    return _preflight_lines(cors, preflight.origin, ", ".join(sorted(methods)).encode())


@lru_cache(maxsize=1024)
def _preflight_lines(cors: Cors, origin: bytes, methods: bytes) -> bytes:
    lines = [
        _VARY,
        _allowed(cors, origin),
        b"Access-Control-Allow-Methods: %b\r\n" % methods,
        b"Access-Control-Allow-Headers: %b\r\n" % b", ".join(sorted(cors.fields)),
        b"Access-Control-Max-Age: %d\r\n" % cors.max_age,
    ]
    return b"".join(lines)


def _allowed(cors: Cors, origin: bytes) -> bytes:
    named = ANY_ORIGIN if ANY_ORIGIN in cors.origins else origin
    line = b"Access-Control-Allow-Origin: %b\r\n" % named
    return line + b"Access-Control-Allow-Credentials: true\r\n" if cors.credentials else line


def in_place_of_the_upstreams(lines: bytes, end_to_end: bytes) -> bytes:
    """The field lines `end_to_end` of an upstream, with `lines` in place of its own answers."""
    return _OF_THE_UPSTREAM.sub(b"", end_to_end) + lines
