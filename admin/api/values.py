"""What a body sets: its fields as values of the domain, or a refusal that names the field. Pure.

The rule that lives here: fields of a body that are unknown, or that cannot be set by this request,
are ignored. Rancher's clients expect it, because they send whole resources back. Only a field that
looks like a misspelled one is refused: a key must not last for ever because of `expiry`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from enum import StrEnum
from itertools import islice
from typing import Any, Final

from admin.api.schemas import EPOCH, IMPORT, Field, Kind, Purpose, Schema
from admin.service.errors import Refused
from proxy.domain.settings import duration


def settable_values(
    schema: Schema, body: Mapping[str, object], purpose: Purpose, now: int
) -> dict[str, Any]:
    """The values that `body` sets, in the types of the domain. Raises `Refused`.

    A date becomes milliseconds since the epoch, as `now` is, from which a duration in its place
    counts; an option a member of its enumeration, a reference a number. What the body does not set
    is absent.
    """
    settable = {
        name: f
        for name, f in schema.fields.items()
        if (f.update if purpose is Purpose.UPDATE else f.create)
    }
    if purpose is Purpose.IMPORT:
        settable |= IMPORT
    refuse_misspelled(body, settable, schema)
    for name, wanted in settable.items():
        if wanted.required and purpose is not Purpose.UPDATE and name not in body:
            raise Refused("MissingRequired", f"{name} is required", field=name)
    return {name: _value(name, f, body[name], now) for name, f in settable.items() if name in body}


def refuse_misspelled(body: Mapping[str, object], known: Collection[str], schema: Schema) -> None:
    """Raise `Refused` for a field of `body` that resembles one of `known` and is no other field."""
    plain = {_plain(name): name for name in known}
    others = (name for name in body if name.removesuffix("TS") not in {*known, *schema.fields})
    for name in islice((name for name in others if len(name) <= _MAX_FIELD), _MAX_CHECKED):
        for near in get_close_matches(_plain(name), plain, 1, _RESEMBLANCE):
            detail = f"there is no field {name}: did you mean {plain[near]}?"
            raise Refused("UnknownField", detail, field=name)


_MAX_FIELD: Final = 40
_MAX_CHECKED: Final = 100
"""Longer names, and names beyond these, are not compared: a body may have very many."""
_RESEMBLANCE: Final = 0.75
"""`expiry` resembles `expires`. No field that Rancher's clients send for these types does."""


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _value(name: str, wanted: Field, value: object, now: int) -> str | int | None:
    if value is None:
        if not wanted.nullable:
            raise Refused("NotNullable", f"{name} cannot be null", field=name)
        return None
    if wanted.kind is Kind.BOOLEAN:
        if not isinstance(value, bool):
            raise Refused("InvalidType", f"{name} must be true or false", field=name)
        return value
    if not isinstance(value, str):
        raise Refused("InvalidType", f"{name} must be a string", field=name)
    if wanted.kind is Kind.DATE:
        with suppress(ValueError):
            return now + duration(value)
    return parse_value(name, wanted, value)


def parse_value(name: str, wanted: Field, value: str) -> str | int:
    """The value of a field, from text, in the type of the domain. Raises `Refused`."""
    match wanted.kind:
        case Kind.DATE:
            return _date(name, value)
        case Kind.ENUM:
            return _option(name, wanted, value)
        case Kind.REFERENCE:
            return _reference(name, wanted, value)
        case _:
            return _text(name, wanted, value)


_INVISIBLE: Final = (
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # control characters but for tab and line ends
    "\u2028\u2029"  # line ends to some programs only
    "\u202a-\u202e\u2066-\u2069"  # change the order in which later text is shown
    "\ud800-\udfff"  # halves of surrogate pairs, which JSON can hold and UTF-8 cannot
)
_NOT_IN_TEXT: Final = re.compile(f"[{_INVISIBLE}]")
_NOT_IN_LINE: Final = re.compile(f"[{_INVISIBLE}\t\r\n]")


def _text(name: str, wanted: Field, value: str) -> str:
    if wanted.required and not value.strip():
        raise Refused("MinLengthExceeded", f"{name} cannot be empty", field=name)
    if wanted.max_length is not None and len(value) > wanted.max_length:
        detail = f"{name} has at most {wanted.max_length} characters"
        raise Refused("MaxLengthExceeded", detail, field=name)
    if (_NOT_IN_TEXT if wanted.kind is Kind.TEXT else _NOT_IN_LINE).search(value):
        raise Refused("InvalidCharacters", f"{name} holds control characters", field=name)
    return value


_DATE: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}"
    r"(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})"
)  # RFC 3339 section 5.6. The offset is required: without it the time is unknown.


def _date(name: str, value: str) -> int:
    try:
        if not _DATE.fullmatch(value):
            raise ValueError("not in the form of RFC 3339")
        date = datetime.fromisoformat(value).astimezone(UTC)
        return (date - EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):  # OverflowError: before year 1 or after 9999 in UTC
        detail = f"{name} must be a date and time as in 2030-01-31T12:00:00Z, or as in 90d"
        raise Refused("InvalidDateFormat", detail, field=name) from None


def _option(name: str, wanted: Field, value: str) -> StrEnum:
    options: type[StrEnum] = wanted.options or StrEnum
    try:
        return options(value)
    except ValueError:
        detail = f"{name} must be one of {', '.join(options)}"
        raise Refused("InvalidOption", detail, field=name) from None


def _reference(name: str, wanted: Field, value: str) -> int:
    match = wanted.ref.fullmatch(value)
    if match is None:
        raise Refused("InvalidReference", f"{name} must be the id of a resource", field=name)
    return int(match[1])
