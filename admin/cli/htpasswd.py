"""Parses htpasswd files of Apache httpd: which lines can become keys, and why others cannot. Pure.

The rule that lives here: no reason repeats a hash, which may be a password in plain text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

_NAME: Final = re.compile(r"[A-Za-z0-9._@+-]{1,64}")
_BCRYPT: Final = re.compile(r"\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}")
_UNSUPPORTED: Final = (
    ("$2", "a malformed or unknown form of bcrypt"),
    ("$apr1$", "Apache's MD5 (apr1)"),
    ("$1$", "crypt with MD5"),
    ("$5$", "crypt with SHA-256"),
    ("$6$", "crypt with SHA-512"),
    ("$y$", "yescrypt"),
    ("$argon2", "Argon2"),
    ("{SHA}", "unsalted SHA-1"),
    ("{SSHA}", "salted SHA-1"),
    ("{PLAIN}", "a password in plain text"),
)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file: an entry to import, or the reason why it cannot be imported."""

    number: int
    name: str = ""
    """Empty if it may be a part of a hash."""
    secret_hash: str = field(default="", repr=False)
    reason: str = ""
    """Why it cannot be imported; empty if it can."""


def parse_htpasswd(text: str) -> Iterator[Line]:
    """Every line of a file except empty lines and comments."""
    first: dict[str, int] = {}
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.rstrip("\r")
        if not line.strip() or line.startswith("#"):
            continue
        parsed = _parse(number, line)
        if not parsed.reason and parsed.name in first:
            # Apache httpd uses the first entry of a name.
            reason = f"the name is also on line {first[parsed.name]}, and the first entry counts"
            parsed = Line(number, parsed.name, reason=reason)
        if not parsed.reason:
            first[parsed.name] = number
        yield parsed


def _parse(number: int, line: str) -> Line:
    name, colon, rest = line.partition(":")
    if not colon:
        return Line(number, reason="the line is not name:hash")
    secret_hash = rest.partition(":")[0]  # nginx: a second colon begins a comment
    if not _NAME.fullmatch(name):
        shown = "" if "$" in name or len(name) > 64 else name
        return Line(
            number,
            shown,
            reason="the name should be 1 to 64 of the characters A-Z a-z 0-9 . _ @ + -",
        )
    if not _BCRYPT.fullmatch(secret_hash):
        return Line(number, name, reason=_reason_of_hash(secret_hash))
    return Line(number, name, secret_hash)


def _reason_of_hash(secret_hash: str) -> str:
    if not secret_hash:
        return "there is no hash"
    for prefix, kind in _UNSUPPORTED:
        if secret_hash.startswith(prefix):
            return f"the hash is {kind}; only bcrypt ($2y$, $2a$, $2b$) can be imported"
    return "the hash is not bcrypt: perhaps crypt, or plain text"
