"""The settings of a route about pages of other origins, and about how keys are presented.

Tested in `tests/proxy/config/test_cors.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Final, TypeAlias

from pydantic import BeforeValidator, Field, PlainValidator

from proxy.config import values
from proxy.config.settings import Count, Fault, Settings
from proxy.http1.fields import has_a_meaning

_ORIGIN: Final = re.compile(
    r"([a-z][a-z0-9+.-]*)://(?:[a-z0-9_-][a-z0-9._-]*|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?"
).fullmatch
_DEFAULT_PORTS: Final = {("http", "80"), ("https", "443")}
_FIELD_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}").fullmatch
_ANY: Final = "*"


def origin(text: object) -> str:
    """An origin as browsers write it (RFC 6454 section 6.2), returned in lower case, or `*`."""
    if text == "null":
        raise ValueError("null is the origin of every page in a sandbox, so it is never allowed")
    if isinstance(text, str) and text != _ANY and _ANY in text:
        raise ValueError("* stands for any origin and for no part of one: list each origin")
    match = _ORIGIN(text.lower()) if isinstance(text, str) else None
    if text == _ANY:
        return _ANY
    if match is None:
        raise ValueError("should be scheme://host or scheme://host:port, without a path")
    if match.groups() in _DEFAULT_PORTS:
        raise ValueError("should have no port, because browsers leave the default port out")
    return match[0]


def field_name(text: object) -> str:
    """The name of a header field, or `*`."""
    if not isinstance(text, str) or not (_FIELD_NAME(text) or text == _ANY):
        raise ValueError("should be the name of a header field")
    return text


def presentation(value: object) -> str | dict[str, str]:
    """`basic`, `bearer`, or a mapping `header: NAME`."""
    if isinstance(value, str) and value in {"basic", "bearer"}:
        return value
    if not isinstance(value, Mapping) or set(value) != {"header"}:
        raise ValueError("should be basic, bearer or {header: NAME}")
    name = value["header"]
    if not isinstance(name, str) or not _FIELD_NAME(name):
        raise ValueError("the name of a header field holds letters, digits and dashes")
    if has_a_meaning(name.lower().encode()):
        raise ValueError("this header field has a meaning already; choose one such as X-API-Key")
    return {"header": name}


def _presentations(given: list[str | dict[str, str]]) -> list[str | dict[str, str]]:
    if sum(isinstance(each, dict) for each in given) > 1:
        raise ValueError("should name one header field at most")
    return given


Credentials: TypeAlias = Annotated[
    list[Annotated[str | dict[str, str], PlainValidator(presentation)]],
    Field(min_length=1),
    BeforeValidator(lambda value: _presentations(value) if isinstance(value, list) else value),
]


class Cors(Settings):
    """Which pages of other origins may use a route."""

    origins: Annotated[list[Annotated[str, PlainValidator(origin)]], Field(min_length=1)]
    methods: list[Annotated[str, PlainValidator(values.method)]] | None = None
    headers: list[Annotated[str, PlainValidator(field_name)]] = ["Content-Type"]
    """rs/cors: Accept, Content-Type and X-Requested-With; browsers always allow the first."""
    expose: list[Annotated[str, PlainValidator(field_name)]] = []
    credentials: bool = False
    max_age: Annotated[Count, Field(ge=0, le=86400)] = 600
    """Chromium keeps an answer for 7200 seconds at most, Firefox for 86400."""

    def rules(self) -> Iterator[Fault]:
        for name in ("origins", "headers", "expose"):
            given = getattr(self, name)
            if _ANY in given and len(given) > 1:
                yield name, "* stands for all, so it should stand alone"
            elif _ANY in given and self.credentials:
                yield name, "* has no effect while credentials is on: list each one"
        if self.methods is not None and _ANY in self.methods:
            yield "methods", "should list each method; null: all of the route"


UPSTREAM: Final = Cors(origins=["https://upstream.invalid"])
"""Of `cors: upstream`: it is up to the upstream. To be compared by identity."""


def own_or_upstream(value: object) -> object:
    """`upstream`, or a mapping for `Cors`."""
    if isinstance(value, str):
        if value != "upstream":
            raise ValueError("should be upstream, or a mapping with origins")
        return UPSTREAM
    return value
