"""Patterns of paths, as routes and scopes have them: what they may hold. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

ENVIRONMENT: Final = "{environment}"
"""The segment that stands for the name of any environment."""
REST: Final = "**"
"""The last segment of a pattern that matches any number of further segments, none as well."""

_LITERAL: Final = re.compile(r"[A-Za-z0-9._~!$&'()*+,=:@-]+").fullmatch


def check_pattern(text: str) -> str:
    """`text`, if it is a pattern: literal segments, at most one `{environment}`, and `**` only at
    its end. Raises ValueError, which names all that is wrong."""
    faults = dict.fromkeys(_faults(text))
    if faults:
        raise ValueError("; ".join(faults))
    return text


def _faults(text: str) -> Iterator[str]:
    if not text.startswith("/"):
        yield "should begin with /"
    segments = text.removeprefix("/").split("/")
    for segment in segments[:-1] if segments[-1] == REST else segments:
        if segment == "" and text != "/":
            yield "should have no empty segment, and no slash at its end"
        elif segment in {".", ".."}:
            yield "should have no dot segment"
        elif segment and set(segment) == {"*"}:
            yield "** may stand only as the last segment, and * is not a wildcard"
        elif segment != ENVIRONMENT and ("{" in segment or "}" in segment):
            yield "the only placeholder is {environment}, as a whole segment"
        elif segment != ENVIRONMENT and segment and not _LITERAL(segment):
            yield "a segment holds only letters, digits and ._~!$&'()*+,=:@-"
    if segments.count(ENVIRONMENT) > 1:
        yield "{environment} may stand only once"
