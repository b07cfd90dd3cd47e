"""The console's cookies at the gateway: no upstream reads them, and none sets them. Pure.

Cookies ignore ports (RFC 6265 section 8.5). Where the admin server and the gateway have one host
name, a browser sends the console's cookies to both, and keeps for both what either sets. An
upstream that read the cookie of a session could act for the person who logged in; one that set it
could have people act for somebody else.

The rule that lives here: only lines of Cookie and Set-Cookie that hold such a cookie change, and of
a Cookie only the pairs with such a name are left out.
"""

from __future__ import annotations

from typing import Final

from proxy.domain.session import COOKIE, is_own_cookie
from proxy.http1.grammar import field_value

MARK: Final = COOKIE.encode()
"""Is in every block with a cookie of the console. A block without it need not be looked at."""


def without_own_cookies(block: bytes) -> bytes:
    """A block of request fields without the console's cookies. Malformed lines stay as they are."""
    if b"cookie:" not in block.lower():  # the mark is in the name of the host, for example
        return block
    kept = []
    for line in block.split(b"\r\n"):
        value = _value(line, b"cookie")
        pairs = value.split(b";")
        others = [pair for pair in pairs if not _is_own(pair)]
        if len(others) == len(pairs):
            kept.append(line)
        elif any(map(bytes.strip, others)):
            kept.append(line[: -len(value)] + b";".join(others))
    return b"\r\n".join(kept)


def without_setting_own(block: bytes) -> bytes:
    """A block of response fields that sets no cookie of the console. As above."""
    if b"set-cookie:" not in block.lower():
        return block
    lines = block.split(b"\r\n")
    return b"\r\n".join(
        line for line in lines if not _is_own(_value(line, b"set-cookie").partition(b";")[0])
    )


def _value(line: bytes, name: bytes) -> bytes:
    """The value of a line that may hold a cookie of the console; empty for any other one."""
    sent, _, value = line.partition(b":")
    return value if MARK in value and sent.lower() == name and field_value(value) else b""


def _is_own(pair: bytes) -> bool:
    """Whether a pair of name and value has the name of a cookie of the console, or may get it: a
    browser sends what `Set-Cookie: =wardgate=x` sets as `wardgate=x`."""
    name = pair.lstrip(b" \t=").partition(b"=")[0].strip(b" \t")
    return is_own_cookie(name.decode("latin-1")) is not None
