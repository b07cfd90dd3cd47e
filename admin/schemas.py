"""The resources on the wire: their names, and the fields that a client may set.

Fields that are not here, or not settable at this point, are ignored, as Rancher's clients expect:
they send whole resources back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, StrEnum, auto
from typing import Any, Final

from admin.errors import Refused
from proxy.model import AccountKind, Role

REF: Final = re.compile(r"1a([1-9][0-9]{0,17})")
"""An account's or environment's id on the wire."""
KEY_REF: Final = re.compile(r"1c([1-9][0-9]{0,17})")
"""A key's id on the wire. 18 digits fit every store's integers."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

MAX_NAME: Final = 255
MAX_DESCRIPTION: Final = 4096


class Purpose(Enum):
    """What a body is sent for."""

    CREATE = auto()
    UPDATE = auto()


class Kind(StrEnum):
    """What a field holds, by the names that Rancher's schemas have for it."""

    STRING = "string"
    TEXT = "multiline"
    DATE = "date"
    ENUM = "enum"
    REFERENCE = "reference"


@dataclass(frozen=True, slots=True)
class Field:
    """A field that a client may set."""

    kind: Kind = Kind.STRING
    update: bool = False
    """Whether it can still be set once the resource is there."""
    required: bool = False
    nullable: bool = True
    longest: int | None = None
    """Characters. None: whoever uses the value checks it."""
    options: type[StrEnum] | None = None


@dataclass(frozen=True, slots=True)
class Schema:
    """A type of resource."""

    name: str
    """As in `type`."""
    plural: str
    """As in links and URLs."""
    base: str
    """As in `baseType`."""
    fields: Mapping[str, Field] = field(default_factory=dict)


_NAME: Final = Field(update=True, longest=MAX_NAME)
_REQUIRED_NAME: Final = Field(update=True, required=True, nullable=False, longest=MAX_NAME)
_DESCRIPTION: Final = Field(Kind.TEXT, update=True, longest=MAX_DESCRIPTION)

KEY: Final = Schema(
    "apiKey",
    "apikeys",
    "credential",
    {
        "name": _NAME,
        "description": _DESCRIPTION,
        "role": Field(Kind.ENUM, options=Role),
        "expires": Field(Kind.DATE),
        "accountId": Field(Kind.REFERENCE),
    },
)
ENVIRONMENT: Final = Schema(
    "project",
    "projects",
    "account",
    {"name": _REQUIRED_NAME, "description": _DESCRIPTION, "slug": Field()},
)
ACCOUNT: Final = Schema(
    "account",
    "accounts",
    "account",
    {
        "name": _REQUIRED_NAME,
        "description": _DESCRIPTION,
        "kind": Field(Kind.ENUM, required=True, nullable=False, options=AccountKind),
    },
)


def settings_in(schema: Schema, body: Mapping[str, object], purpose: Purpose) -> dict[str, Any]:
    """The values that `body` sets, as the domain has them. Raises `Refused`.

    Dates become milliseconds since the epoch, options members of their enumeration, references
    numbers. What the body does not set is absent.
    """
    creating = purpose is Purpose.CREATE
    settable = {name: f for name, f in schema.fields.items() if creating or f.update}
    if creating:
        for name, wanted in settable.items():
            if wanted.required and name not in body:
                raise Refused("MissingRequired", f"{name} is required", field=name)
    return {name: _value(name, f, body[name]) for name, f in settable.items() if name in body}


def _value(name: str, wanted: Field, value: object) -> str | int | None:
    if value is None:
        if not wanted.nullable:
            raise Refused("NotNullable", f"{name} cannot be null", field=name)
        return None
    if not isinstance(value, str):
        raise Refused("InvalidType", f"{name} must be a string", field=name)
    match wanted.kind:
        case Kind.STRING | Kind.TEXT:
            return _text(name, wanted, value)
        case Kind.DATE:
            return _moment(name, value)
        case Kind.ENUM:
            return _option(name, wanted, value)
        case Kind.REFERENCE:
            return _reference(name, value)


_INVISIBLE: Final = (
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # control characters but for tab and line ends
    "\u2028\u2029"  # line ends to some, and not to others
    "\u202a-\u202e\u2066-\u2069"  # change the order in which what follows is shown
    "\ud800-\udfff"  # no characters at all: JSON can hold halves of pairs, UTF-8 cannot
)
_NOT_IN: Final = {
    Kind.TEXT: re.compile(f"[{_INVISIBLE}]"),
    Kind.STRING: re.compile(f"[{_INVISIBLE}\t\r\n]"),
}


def _text(name: str, wanted: Field, value: str) -> str:
    if wanted.required and not value.strip():
        raise Refused("MinLengthExceeded", f"{name} cannot be empty", field=name)
    if wanted.longest is not None and len(value) > wanted.longest:
        detail = f"{name} is at most {wanted.longest} characters"
        raise Refused("MaxLengthExceeded", detail, field=name)
    if _NOT_IN[wanted.kind].search(value):
        raise Refused("InvalidCharacters", f"{name} holds control characters", field=name)
    return value


_DATE: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}"
    r"(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})"
)  # RFC 3339 section 5.6, with the offset, without which it names no moment


def _moment(name: str, value: str) -> int:
    try:
        if not _DATE.fullmatch(value):
            raise ValueError("not of RFC 3339")
        moment = datetime.fromisoformat(value).astimezone(UTC)
        return (moment - EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):  # the latter: not in year 1 to 9999 once it is in UTC
        detail = f"{name} must be a date and time as in 2030-01-31T12:00:00Z"
        raise Refused("InvalidDateFormat", detail, field=name) from None


def _option(name: str, wanted: Field, value: str) -> StrEnum:
    options: type[StrEnum] = wanted.options or StrEnum
    try:
        return options(value)
    except ValueError:
        detail = f"{name} must be one of {', '.join(options)}"
        raise Refused("InvalidOption", detail, field=name) from None


def _reference(name: str, value: str) -> int:
    match = REF.fullmatch(value)
    if match is None:
        raise Refused("InvalidReference", f"{name} must be an id as in 1a5", field=name)
    return int(match[1])
