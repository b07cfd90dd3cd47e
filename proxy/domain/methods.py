"""Which methods can pass, and which of them only read. Pure.

The rule that lives here: a method is a token whose case counts (RFC 9110 section 9.1), and a
registered one in another case does not pass, since some upstreams would read it as the registered
one. Source: IANA's Hypertext Transfer Protocol (HTTP) Method Registry,
https://www.iana.org/assignments/http-methods/http-methods.xhtml

Tested in `tests/proxy/gateway/test_methods.py`.
"""

from __future__ import annotations

from typing import Final

_SAFE: Final = frozenset(
    {"GET", "HEAD", "OPTIONS", "PRI", "PROPFIND", "QUERY", "REPORT", "SEARCH", "TRACE"}
)
"""What the registry calls safe."""
_OTHERS: Final = frozenset(
    {"*", "ACL", "BASELINE-CONTROL", "BIND", "CHECKIN", "CHECKOUT", "CONNECT", "COPY", "DELETE"}
    | {"LABEL", "LINK", "LOCK", "MERGE", "MKACTIVITY", "MKCALENDAR", "MKCOL", "MKREDIRECTREF"}
    | {"MKWORKSPACE", "MOVE", "ORDERPATCH", "PATCH", "POST", "PROPPATCH", "PUT", "REBIND"}
    | {"UNBIND", "UNCHECKOUT", "UNLINK", "UNLOCK", "UPDATE", "UPDATEREDIRECTREF"}
    | {"VERSION-CONTROL"}
)
"""All others that it has."""
REGISTERED: Final = _SAFE | _OTHERS

NEVER: Final = frozenset({"CONNECT", "TRACE", "PRI", "*"})
"""They never pass: a tunnel to anywhere; the fields of the request, sent back; two names that the
registry reserves, so that nobody uses them."""

READ_METHODS: Final = _SAFE - NEVER
"""The methods of a readonly role."""

STANDARD: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""The methods of a route that does not list its own."""

ANY: Final = "*"
"""In a route's list: all methods that can pass."""


def passes(method: str) -> bool:
    """Whether `method`, which is a token, can pass at all."""
    name = method.upper()
    return name not in NEVER and (method == name or name not in REGISTERED)
