"""A row of the tables of requests: the bytes that a client sends, and what must happen."""

from __future__ import annotations

from dataclasses import dataclass

PAIR = b"<pair>"
"""Stands for the credentials of the key of environment `a`, in base64."""
AUTH = b"Authorization: Basic " + PAIR + b"\r\n"
HEAD = b" /v1/projects/a/x HTTP/1.1\r\nHost: h\r\n" + AUTH
GET, POST = b"GET" + HEAD, b"POST" + HEAD
LAST = b"Connection: close\r\n"


@dataclass(frozen=True)
class Up:
    """A request as the upstream must get it, without the gateway's own fields."""

    line: bytes
    fields: bytes = b""
    """The lines between Host and the gateway's own fields."""
    body: bytes = b""
    host: bytes | None = b"h"
    """The client's Host."""


@dataclass(frozen=True)
class Row:
    """Bytes that a client sends, and what must happen."""

    name: str
    sent: bytes
    status: int = 400
    kept: bool = False
    """Whether the next request on the same connection is served."""
    up: Up | None = None
    """What is sent upstream; None: not a byte."""
    whole: bool = True
    """False: only the beginning of `up` may be sent upstream, never a whole request."""


def refused(group: str, status: int, *sent: bytes, kept: bool = False) -> list[Row]:
    """Rows that are refused with `status`; they are numbered from 1."""
    return [Row(f"{group}-{number}", raw, status, kept) for number, raw in enumerate(sent, 1)]


def target(path: bytes) -> bytes:
    """A GET of `path`."""
    return b"GET " + path + b" HTTP/1.1\r\nHost: h\r\n" + AUTH + b"\r\n"


def seen(path: bytes) -> Up:
    """The same request as the upstream must get it."""
    return Up(b"GET " + path + b" HTTP/1.1")
