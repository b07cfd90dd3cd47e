"""The values in a body, in the types of the domain.

The rule that lives here: fields of a body that are unknown, or that cannot be set by this request,
are ignored. Rancher's clients expect it, because they send whole resources back.

Tested in `tests/admin/api/test_schemas.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from enum import Enum, StrEnum, auto
from typing import Any, Final

from admin.api.schemas import IMPORT, Field, Kind, Schema
from admin.service.errors import Refused
from proxy.domain.limits import BadLimit, Limits, parse_limits
from proxy.domain.settings import duration

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Purpose(Enum):
    """What a body is sent for."""

    CREATE = auto()
    UPDATE = auto()
    IMPORT = auto()


def settable_values(
    schema: Schema, body: Mapping[str, object], purpose: Purpose, now: int
) -> dict[str, Any]:
    """The values that `body` sets, in the types of the domain. `now` is in milliseconds since the
    epoch. Raises `Refused`.

    A date becomes milliseconds since the epoch, an option a member of its enumeration, a reference
    a number, limits become `Limits`. What the body does not set is absent.
    """
    settable = {
        name: f
        for name, f in schema.fields.items()
        if (f.update if purpose is Purpose.UPDATE else f.create)
    }
    if purpose is Purpose.IMPORT:
        settable |= IMPORT
    for name, wanted in settable.items():
        if wanted.required and purpose is not Purpose.UPDATE and name not in body:
            raise Refused("MissingRequired", f"{name} is required", field=name)
    return {name: _value(name, f, body[name], now) for name, f in settable.items() if name in body}


def _value(name: str, wanted: Field, value: object, now: int) -> str | int | Limits | None:
    if wanted.kind is Kind.LIMITS:
        return _limits(name, value)
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
    if wanted.from_now:
        with suppress(ValueError):
            return now + duration(value)
    return parse_value(name, wanted, value)


def _limits(name: str, value: object) -> Limits:
    given = {} if value is None else value
    if not isinstance(given, dict):
        raise Refused("InvalidType", f"{name} must be an object", field=name)
    try:
        return parse_limits(given)
    except BadLimit as error:
        raise Refused("InvalidFormat", f"{name}.{error}", field=f"{name}.{error.part}") from None


def parse_value(name: str, wanted: Field, value: str) -> str | int:
    """The value of a field, from text, in the type of the domain. Raises `Refused`."""
    match wanted.kind:
        case Kind.DATE:
            return _date(name, wanted, value)
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


def _date(name: str, wanted: Field, value: str) -> int:
    try:
        if not _DATE.fullmatch(value):
            raise ValueError("not in the form of RFC 3339")
        date = datetime.fromisoformat(value).astimezone(UTC)
        return (date - EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):  # OverflowError: before year 1 or after 9999 in UTC
        detail = f"{name} must be a date and time as in 2030-01-31T12:00:00Z"
        if wanted.from_now:
            detail += ", or a duration from now as in 90d or 12h"
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
