"""Reads .netrc, the file with logins for curl, ftp and others: the first entry of a host counts.

The standard library's module keeps the last entry of a host. curl takes the first one, and a host
may have several, one for each key. `default` entries are ignored, because a password that names no
host was not meant for the admin server.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_TOKEN: Final = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')
_ESCAPED: Final = re.compile(r"\\(.)")
_CONTROLS: Final = {"n": "\n", "r": "\r", "t": "\t"}
_MACRO: Final = re.compile(r"(?<!\S)macdef\s.*?(?:\n[ \t]*\n|\Z)", re.DOTALL)
_COMMENT: Final = re.compile(r"^[ \t]*#.*$", re.MULTILINE)


def find_login(text: str, host: str, login: str | None = None) -> tuple[str, str] | None:
    """The login and password of the first entry for `host`, and for `login` if it is given."""
    for machine, values in _entries(text):
        found, password = values.get("login"), values.get("password")
        if machine.lower() != host.lower() or found is None or password is None:
            continue
        if login in {None, found}:
            return found, password
    return None


def _entries(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    machine: str | None = None
    values: dict[str, str] = {}
    tokens = _tokens(_COMMENT.sub("", _MACRO.sub("\n", text)))
    for part in tokens:
        if part in {"machine", "default"}:
            if machine is not None:
                yield machine, values
            machine = next(tokens, None) if part == "machine" else None
            values = {}
        elif part in {"login", "password", "account"}:
            values[part] = next(tokens, "")
    if machine is not None:
        yield machine, values


def _tokens(text: str) -> Iterator[str]:
    for match in _TOKEN.finditer(text):
        quoted, plain = match.groups()
        if plain is not None:
            yield plain
        else:
            yield _ESCAPED.sub(lambda each: _CONTROLS.get(each[1], each[1]), quoted)
