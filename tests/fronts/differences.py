"""Where real proxies do otherwise than the gateway with the hostile targets, and why.

The names are those of `tests.hostile.targets`. A proxy reads a request before it asks, and may
refuse it for itself, or make another one of it: then that one is asked about and sent.
"""

from __future__ import annotations

from typing import Final

ABSOLUTE: Final = {"not-origin-form-2", "not-origin-form-3"}
"""http://h/v1/projects/a/x: the proxy takes the path out of the URL, and sends the path alone."""
ABSOLUTE_ELSEWHERE: Final = {"not-origin-form-1": 403, "not-origin-form-4": 403}
"""The same with a path of another environment, or of no route: that path is refused."""

ENCODED: Final = {
    "bytes-18",  # /é as raw UTF-8 becomes /%C3%A9
    "bytes-25",  # /x# becomes /x%23
    "bytes-32",  # /x<y becomes /x%3Cy
    "bytes-33",  # /> becomes /%3E
    "bytes-34",  # /^ becomes /%5E
    "bytes-35",  # /{x} becomes /%7Bx%7D
    "bytes-37",  # /` becomes /%60
}
"""Characters that no target may hold: Go's net/url escapes them."""
TAB: Final = {"bytes-40"}
"""A tab at the end of a target: HAProxy takes it for a space before the version."""

ALLOWED: Final[dict[str, set[str]]] = {
    "nginx": ABSOLUTE,
    "caddy": ABSOLUTE | ENCODED,
    "haproxy": TAB,
}
"""Refused by the gateway, and permitted by way of the proxy."""

REFUSED: Final[dict[str, dict[str, int]]] = {
    "nginx": ABSOLUTE_ELSEWHERE,
    "caddy": ABSOLUTE_ELSEWHERE | {"not-origin-form-5": 403},  # http://a@evil/x
    "haproxy": {},
}
"""Refused by both, with another status of the proxy."""

ENDLESS: Final = {"chunks-413-1", "chunks-413-2", "chunks-413-3", "length-29"}
"""Requests whose body is announced and never comes: some proxies wait for it."""
CODINGS: Final = {"coding-10"}
"""Transfer-Encoding: gzip, chunked. HAProxy passes it on; the API of the tests does not know it."""
UNKNOWN_FIELD: Final = {"forged-x-wardgate-anything"}
"""A field that Wardgate never sets. nginx removes no fields by the beginning of their names."""

CASES: Final[dict[str, dict[str, int]]] = {
    "nginx": {"two keys": 400},  # it accepts Authorization once
    "caddy": {},
    "haproxy": {},
}
"""Refused by both, with another status of the proxy: of the table of cases."""
