"""The types of resource in the API: their names, their fields, and which a client may set.

The rule that lives here: fields of a body that are unknown, or that cannot be set by this request,
are ignored. Rancher's clients expect it, because they send whole resources back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum, StrEnum, auto
from typing import Any, Final

from admin.service.errors import Refused
from proxy.domain.model import AccountKind, Role, State
from proxy.domain.settings import duration

REF: Final = re.compile(r"1a([1-9][0-9]{0,17})")
"""The id of an account or an environment. 18 digits fit the integers of every store."""
KEY_REF: Final = re.compile(r"1c([1-9][0-9]{0,17})")
"""The id of a key."""
MEMBER_REF: Final = re.compile(r"1m([1-9][0-9]{0,17})")
"""The id of a membership."""
NUMBER: Final = re.compile(r"([1-9][0-9]{0,17})")
"""The id of an audit entry."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

MAX_NAME: Final = 255
MAX_DESCRIPTION: Final = 4096


class Purpose(Enum):
    """What a body is sent for."""

    CREATE = auto()
    UPDATE = auto()
    IMPORT = auto()


class Kind(StrEnum):
    """What a field holds, by the names that Rancher's schemas have for it."""

    STRING = "string"
    TEXT = "multiline"
    DATE = "date"
    ENUM = "enum"
    REFERENCE = "reference"
    BOOLEAN = "boolean"
    NUMBER = "int"
    FLOAT = "float"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a resource."""

    kind: Kind = Kind.STRING
    create: bool = False
    """Whether a client may set it when it creates the resource."""
    update: bool = False
    """Whether a client may set it later."""
    required: bool = False
    nullable: bool = True
    max_length: int | None = None
    """Characters. None: the service checks the value."""
    from_now: bool = False
    """Whether a date may be given as a duration from now, by the server's clock."""
    options: type[StrEnum] | None = None
    ref: re.Pattern[str] = REF
    """The form of an id that it refers to."""
    column: str | None = None
    """The store's column, where lists can be filtered by the field."""
    default: str | None = None
    """What counts where a body has no value, if that is always the same."""


@dataclass(frozen=True, slots=True)
class Schema:
    """A type of resource."""

    name: str
    """The value of `type`."""
    plural: str
    """The name in links and URLs."""
    base: str
    """The value of `baseType`."""
    ref: re.Pattern[str]
    """The form of its ids."""
    fields: Mapping[str, Field]
    sorts: tuple[str, ...] = ("id", "name", "state", "created")
    filters: tuple[str, ...] = ()
    """The parameters by which lists can be filtered, besides the fields."""
    actions: tuple[str, ...] = ()
    """The actions of a resource, besides update and remove."""
    collection_actions: tuple[str, ...] = ()
    scoped: bool = False
    """Whether each environment has a collection of its own, to which links point."""
    in_environments: bool = False
    """Whether there is a collection under the path of an environment."""
    change_methods: frozenset[str] = frozenset({"POST", "PUT", "DELETE"})
    """The methods that change something."""


_NAME: Final = Field(create=True, update=True, max_length=MAX_NAME, column="name")
_REQUIRED_NAME: Final = replace(_NAME, required=True, nullable=False)
_CHOICE: Final = Field(Kind.ENUM, create=True, required=True, nullable=False)
_COMMON: Final = {
    "id": Field(Kind.REFERENCE, column="id"),
    "description": Field(
        Kind.TEXT, create=True, update=True, max_length=MAX_DESCRIPTION, column="description"
    ),
    "state": Field(Kind.ENUM, options=State, column="state"),
    "created": Field(Kind.DATE, column="created"),
    "removed": Field(Kind.DATE, column="removed"),
    "uuid": Field(column="uuid"),
}

KEY: Final = Schema(
    "apiKey",
    "apikeys",
    "credential",
    KEY_REF,
    _COMMON
    | {
        "id": Field(Kind.REFERENCE, ref=KEY_REF, column="id"),
        "name": _NAME,
        "publicValue": Field(column="access_key"),
        "secretValue": Field(),
        "role": Field(Kind.ENUM, create=True, update=True, options=Role, column="role"),
        "readOnly": Field(Kind.BOOLEAN, create=True),
        "expires": Field(Kind.DATE, create=True, update=True, from_now=True, column="expires"),
        "expired": Field(Kind.BOOLEAN, column="expires"),
        "refusal": Field(),
        "refusalExplanation": Field(),
        "accountId": Field(Kind.REFERENCE, create=True, column="owner_id"),
        "creatorId": Field(Kind.REFERENCE, column="creator_id"),
        "lastUsed": Field(Kind.DATE, column="last_used"),
        "lastUsedAddress": Field(column="last_used_address"),
        "useCount": Field(Kind.NUMBER),
        "previousSecretExpires": Field(Kind.DATE, column="previous_until"),
        "previousSecretLastUsed": Field(Kind.DATE, column="previous_used"),
        "endpoint": Field(),
    },
    sorts=("id", "name", "state", "created", "expires", "lastUsed", "role", "publicValue"),
    filters=("search", "expiring", "unused"),
    actions=("activate", "deactivate", "rotate", "explain", "purge"),
    collection_actions=("import",),
    scoped=True,
    in_environments=True,
)
IMPORT: Final = {
    "publicValue": Field(create=True, required=True, nullable=False, max_length=64),
    "secretHash": Field(create=True, required=True, nullable=False, max_length=60),
    "dryRun": Field(Kind.BOOLEAN, create=True, nullable=False, default="false"),
}
"""What the import of a key takes, besides the fields of any new key."""

ENVIRONMENT: Final = Schema(
    "project",
    "projects",
    "account",
    REF,
    _COMMON
    | {
        "name": _REQUIRED_NAME,
        "slug": Field(create=True, column="slug"),
        "endpoint": Field(),
    },
    filters=("search",),
    actions=("activate", "deactivate", "purge"),
    in_environments=True,
)
ACCOUNT: Final = Schema(
    "account",
    "accounts",
    "account",
    REF,
    _COMMON
    | {
        "name": _REQUIRED_NAME,
        "kind": replace(_CHOICE, options=AccountKind, column="kind"),
        "createKey": Field(Kind.BOOLEAN, create=True, default="false"),
    },
    filters=("search",),
    actions=("activate", "deactivate", "purge"),
)
MEMBER: Final = Schema(
    "projectMember",
    "projectmembers",
    "projectMember",
    MEMBER_REF,
    {
        "id": Field(Kind.REFERENCE, ref=MEMBER_REF, column="id"),
        "projectId": Field(Kind.REFERENCE, create=True, column="environment_id"),
        "accountId": Field(
            Kind.REFERENCE, create=True, required=True, nullable=False, column="account_id"
        ),
        "role": replace(_CHOICE, update=True, options=Role, column="role"),
        "created": Field(Kind.DATE, column="created"),
    },
    sorts=("id",),
    scoped=True,
    in_environments=True,
)
SETTING: Final = Schema(
    "setting",
    "settings",
    "setting",
    re.compile(r"([a-z_]{1,40})"),
    {
        "id": Field(),
        "name": Field(),
        "value": Field(update=True, required=True, nullable=False, max_length=40),
        "default": Field(),
        "description": Field(),
    },
    sorts=("id",),
    change_methods=frozenset({"PUT"}),
)
AUDIT: Final = Schema(
    "auditLog",
    "auditlogs",
    "auditLog",
    NUMBER,
    {
        "id": Field(Kind.REFERENCE, ref=NUMBER, column="sequence"),
        "created": Field(Kind.DATE, column="time"),
        "accountId": Field(column="account"),
        "keyId": Field(column="key"),
        "clientIp": Field(column="address"),
        "requestId": Field(column="request_id"),
        "identity": Field(column="identity"),
        "eventType": Field(column="act"),
        "resourceId": Field(column="subject"),
        "before": Field(Kind.JSON),
        "after": Field(Kind.JSON),
        "hash": Field(column="hash"),
    },
    sorts=("id", "resourceId", "created"),
    filters=("search",),
    change_methods=frozenset(),
)
USAGE: Final = Schema(
    "usage",
    "usage",
    "usage",
    re.compile("(?!)"),  # it has no ids
    {
        **dict.fromkeys(("hour", "day"), Field(Kind.DATE)),
        **dict.fromkeys(("route", "method", "status", "reason"), Field()),
        **dict.fromkeys(("key", "environment"), Field(Kind.REFERENCE)),
        **dict.fromkeys(("requests", "refused", "failed"), Field(Kind.NUMBER)),
        **dict.fromkeys(("bytesIn", "bytesOut"), Field(Kind.NUMBER)),
        "seconds": Field(Kind.FLOAT),
    },
    sorts=(),
    change_methods=frozenset(),
)
"""A row of a report."""
ONLY_TEMPLATE: Final = "1pt1"
"""The id of the only template of environments."""
PROJECT_TEMPLATE: Final = Schema(
    "projectTemplate",
    "projecttemplates",
    "projectTemplate",
    re.compile(r"(1pt[1-9][0-9]{0,17})"),
    {
        "id": Field(),
        "name": Field(column="name"),
        "description": Field(Kind.TEXT),
        "state": Field(),
    },
    sorts=("id",),
    change_methods=frozenset(),
)
"""Rancher's templates of environments. `rancher env create` looks for one by its name, and gives up
where there is none."""
SCHEMAS: Final = (KEY, ENVIRONMENT, ACCOUNT, MEMBER, SETTING, AUDIT)


def settable_values(
    schema: Schema, body: Mapping[str, object], purpose: Purpose, now: int
) -> dict[str, Any]:
    """The values that `body` sets, in the types of the domain. `now` is in milliseconds since the
    epoch. Raises `Refused`.

    A date becomes milliseconds since the epoch, an option a member of its enumeration, a reference
    a number. What the body does not set is absent.
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
    if wanted.from_now:
        with suppress(ValueError):
            return now + duration(value)
    return parse_value(name, wanted, value)


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
