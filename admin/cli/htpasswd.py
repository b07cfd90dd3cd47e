"""Files of Apache's htpasswd: which lines can become keys, and why the others cannot. Pure.

A hash never leaves this module but as part of an entry: no reason repeats it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

_NAME: Final = re.compile(r"[A-Za-z0-9._@+-]{1,64}")
_BCRYPT: Final = re.compile(r"\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}")
_KINDS: Final = (
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
    """A line that says something: an entry to import, or a reason why not."""

    number: int
    name: str = ""
    """Empty where it cannot be told from a hash."""
    secret_hash: str = field(default="", repr=False)
    reason: str = ""
    """Why it cannot be imported; empty where it can."""


def lines_of(text: str) -> Iterator[Line]:
    """Every line of a file, but for empty ones and comments."""
    first: dict[str, int] = {}
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.rstrip("\r")
        if not line.strip() or line.startswith("#"):
            continue
        read = _read(number, line)
        if not read.reason and read.name in first:
            # Apache goes by the first entry of a name.
            read = Line(number, read.name, reason=f"named before, on line {first[read.name]}")
        if not read.reason:
            first[read.name] = number
        yield read


def _read(number: int, line: str) -> Line:
    name, colon, rest = line.partition(":")
    if not colon:
        return Line(number, reason="not of the form name:hash")
    secret_hash = rest.partition(":")[0]  # behind a second colon stands a comment, nginx says
    if not _NAME.fullmatch(name):
        shown = "" if "$" in name or len(name) > 64 else name
        return Line(
            number,
            shown,
            reason="the name is not 1 to 64 of A-Z a-z 0-9 . _ @ + -",
        )
    if not _BCRYPT.fullmatch(secret_hash):
        return Line(number, name, reason=_unfit(secret_hash))
    return Line(number, name, secret_hash)


def _unfit(secret_hash: str) -> str:
    if not secret_hash:
        return "there is no hash"
    for prefix, kind in _KINDS:
        if secret_hash.startswith(prefix):
            return f"the hash is {kind}; only bcrypt ($2y$, $2a$, $2b$) is taken"
    return "neither bcrypt nor a hash that is known: crypt, or plain text"
