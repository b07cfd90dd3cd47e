"""Redirects to an upstream's own origin or path, rewritten to the gateway's: Location,
Content-Location, Refresh, and the Path of Set-Cookie.

An upstream makes absolute URLs of the Host field that it gets, which is its own; clients cannot
reach it there. nginx (proxy_redirect) and Apache httpd (ProxyPassReverse) put the Host field of the
client in its place. Here the origin is removed: what remains is a reference relative to the URL
that the client requested (RFC 9110 sections 10.2.2 and 8.7), whatever the client calls the gateway.

Where a route gives the upstream paths with another beginning (`domain.prefix`), paths that the
upstream names get back that of the client's, as with Apache httpd's ProxyPassReverse and
ProxyPassReverseCookiePath. Relative paths, links in bodies and all other fields stay as they are.
Pure, no I/O.
"""

from __future__ import annotations

import re
from typing import Final

from proxy.domain.prefix import Prefix

NAMES: Final = frozenset({b"location", b"content-location", b"refresh"})
"""The fields that may hold such a URL, in lower case. nginx changes the first and the last."""

_BEFORE: Final = rb"""
    ^ ( (?:content-)?location:[ \t]*+
      | refresh:[ \t]*+[0-9.]++[ \t]*+[;,]?+[ \t]*+(?:url[ \t]*+=[ \t]*+)?+["']?+ )
"""
"""What stands before a URL. What may stand in a Refresh is in HTML, "shared declarative refresh
steps". Nothing is given back (`*+`): several thousand spaces took seconds."""

_PORTS: Final = {b"http": 80, b"https": 443}
_URL: Final = re.compile(
    _BEFORE
    + rb"""
    (?:(https?):)?//
    ([a-z0-9_.-]+|\[[0-9a-f:.]+\]) (?::([0-9]{0,5}))?
    (?= [/?#"'] | [ \t]*\r )
    (?: (/(?=[/\\\t])) | / )?
    """,
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
"""Groups: what stands before the URL; its scheme, host and port, and never user information; the
slash before another one, or before what browsers take for one."""


class Redirects:
    """The redirects of one upstream."""

    def __init__(self, authority: bytes, *, tls: bool) -> None:
        """`authority` is the Host field that the upstream gets."""
        self._scheme = b"https" if tls else b"http"
        host, _, port = authority.rpartition(b":")
        if not host or authority.endswith(b"]"):
            host, port = authority, b""
        self._host = host.lower()
        self._default = not port
        self._port = int(port or _PORTS[self._scheme])

    def rewrite(self, lines: bytes, scheme: bytes) -> bytes:
        """`lines` of fields, of which those of `NAMES` lead to the gateway. `scheme` is that of the
        client's URL."""

        def rewritten(match: re.Match[bytes]) -> bytes:
            if not self._is_own(scheme, match[2], match[3], match[4]):
                return match[0]
            return match[1] + (b"/./" if match[5] else b"/")  # "//x" would be another host

        return _URL.sub(rewritten, lines)

    def _is_own(self, client: bytes, scheme: bytes | None, host: bytes, port: bytes | None) -> bool:
        """Whether a URL is one of the upstream's. Without a port it may have the scheme of the
        client's URL too, of which the upstream knows from X-Forwarded-Proto."""
        if host.lower() != self._host:
            return False
        scheme = scheme and scheme.lower()
        if port and not (scheme and int(port) == _PORTS[scheme]):
            return int(port) == self._port
        return self._default and scheme in {None, self._scheme, client}


_PATH: Final = re.compile(
    _BEFORE
    + rb"""
    (/(?![/\\\t])[^?#"' \t\r]*)
    """,
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
"""Groups: as in `_URL`, what stands before; a path, and not what browsers take for a host."""
_COOKIE: Final = re.compile(rb"^set-cookie:[^\r\n]*", re.IGNORECASE | re.MULTILINE)
_COOKIE_PATH: Final = re.compile(rb"(;[ \t]*path[ \t]*=[ \t]*)(/[^;]*)", re.IGNORECASE)


def led_back(lines: bytes, prefix: Prefix) -> bytes:
    """`lines` of fields from an upstream behind `prefix`, in which the paths of redirects and
    cookies are those of the gateway. Paths outside of what the route leads to stay as they are."""

    def redirected(match: re.Match[bytes]) -> bytes:
        path = prefix.inbound(match[2])
        if path is None:
            return match[0]
        if path.startswith((b"//", b"/\\")):  # that would be another host
            path = b"/." + path
        return match[1] + (path or b"/")

    def scoped(match: re.Match[bytes]) -> bytes:
        named = match[2].rstrip(b" \t")
        path = prefix.inbound(named)
        if path is None:
            return match[0]
        if path == prefix.strip + b"/":  # with the slash, it would not hold for `strip` itself
            path = prefix.strip
        return match[1] + (path or b"/") + match[2][len(named) :]

    lines = _PATH.sub(redirected, lines)
    return _COOKIE.sub(lambda line: _COOKIE_PATH.sub(scoped, line[0]), lines)
