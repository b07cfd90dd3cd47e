"""What a row of the tables says: raw bytes, and all that may come of them."""

from __future__ import annotations

from dataclasses import dataclass

PAIR = b"<pair>"
"""Stands for the key of environment `a` and its secret, as base64."""
AUTH = b"Authorization: Basic " + PAIR + b"\r\n"
HEAD = b" /v1/projects/a/x HTTP/1.1\r\nHost: h\r\n" + AUTH
GET, POST = b"GET" + HEAD, b"POST" + HEAD
LAST = b"Connection: close\r\n"


@dataclass(frozen=True)
class Up:
    """A request as the upstream must get it; the gateway's own fields are the test's to add."""

    line: bytes
    fields: bytes = b""
    """Between Host and the gateway's own: whole lines."""
    body: bytes = b""
    minor: int = 1
    """The version that the client spoke: upstream it is always 1.1."""
    host: bytes | None = b"h"
    """What the client called the gateway."""


@dataclass(frozen=True)
class Row:
    """Bytes that a client sends, and what they must come to."""

    name: str
    sent: bytes
    status: int = 400
    kept: bool = False
    """Whether a request behind it, on the same connection, is served."""
    up: Up | None = None
    """What goes upstream: None is not a byte."""
    whole: bool = True
    """Without it, no more than the beginning of `up` may arrive, and never a whole request."""


def refused(group: str, status: int, *sent: bytes, kept: bool = False) -> list[Row]:
    """Rows of a kind, of which not a byte goes upstream."""
    return [Row(f"{group}-{number}", raw, status, kept) for number, raw in enumerate(sent, 1)]


def target(path: bytes) -> bytes:
    """A GET of `path`."""
    return b"GET " + path + b" HTTP/1.1\r\nHost: h\r\n" + AUTH + b"\r\n"


def seen(path: bytes) -> Up:
    """The same as the upstream must see it."""
    return Up(b"GET " + path + b" HTTP/1.1")
