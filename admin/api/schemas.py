"""The types of resource in the API: their names, their fields, and which a client may set."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from proxy.domain.events import DeliveryState
from proxy.domain.model import AccountKind, Role, State

REF: Final = re.compile(r"1a([1-9][0-9]{0,17})")
"""The id of an account or an environment. 18 digits fit the integers of every store."""
KEY_REF: Final = re.compile(r"1c([1-9][0-9]{0,17})")
"""The id of a key."""
MEMBER_REF: Final = re.compile(r"1m([1-9][0-9]{0,17})")
"""The id of a membership."""
NUMBER: Final = re.compile(r"([1-9][0-9]{0,17})")
"""The id of an audit entry."""

MAX_NAME: Final = 255
MAX_DESCRIPTION: Final = 4096


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
    LIMITS = "limits"
    """JSON as well; a name of its own, since the domain has a type for it."""


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
    admins: bool = False
    """Whether only admins may set it."""


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
_BOUND: Final = Field(Kind.LIMITS, update=True, admins=True)
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
        "secrets": Field(Kind.JSON),
        "limits": Field(Kind.LIMITS, create=True, update=True),
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
        "limits": _BOUND,
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
        "limits": _BOUND,
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
WEBHOOK_MESSAGE: Final = Schema(
    "webhookMessage",
    "webhookmessages",
    "webhookMessage",
    re.compile(r"1wm([1-9][0-9]{0,17})"),
    {
        "id": Field(Kind.REFERENCE, ref=re.compile(r"1wm([1-9][0-9]{0,17})"), column="id"),
        "webhook": Field(create=True, required=True, nullable=False, column="webhook"),
        "event": Field(column="event"),
        "messageId": Field(column="message"),
        "created": Field(Kind.DATE, column="created"),
        "state": Field(Kind.ENUM, options=DeliveryState, column="state"),
        "attempts": Field(Kind.NUMBER),
        "nextAttempt": Field(Kind.DATE),
        "lastAttempt": Field(Kind.DATE),
        "lastStatus": Field(Kind.NUMBER),
        "lastError": Field(),
        "body": Field(Kind.TEXT),
    },
    sorts=("id", "created"),
    actions=("retry",),
    change_methods=frozenset({"POST"}),
)
USAGE: Final = Schema(
    "usage",
    "usage",
    "usage",
    re.compile("(?!)"),  # it has no ids
    {
        **dict.fromkeys(("hour", "day"), Field(Kind.DATE)),
        **dict.fromkeys(("route", "method", "status", "reason", "keyName"), Field()),
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
UPSTREAM: Final = Schema(
    "upstream",
    "upstreams",
    "upstream",
    re.compile(r"([a-z0-9_-]{1,255})"),
    {
        "id": Field(),
        "name": Field(),
        "state": Field(),
        "breaker": Field(),
        "waiting": Field(Kind.NUMBER),
        "retries": Field(Kind.NUMBER),
        "retriesLeft": Field(Kind.NUMBER),
        "balance": Field(),
        "targets": Field(Kind.JSON),
        "lookup": Field(Kind.JSON),
    },
    sorts=("id",),
    change_methods=frozenset(),
)
NODE: Final = Schema(
    "node",
    "nodes",
    "node",
    re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,254})"),
    {
        **dict.fromkeys(("id", "name", "state"), Field()),
        **dict.fromkeys(("applied", "settled", "lag"), Field(Kind.NUMBER)),
        "lease": Field(Kind.FLOAT),
        **dict.fromkeys(("lastSeen", "leaseEnds", "left"), Field(Kind.DATE)),
    },
    sorts=("id",),
    actions=("forget",),
    change_methods=frozenset(),
)
REVISION: Final = Schema(
    "revision",
    "revisions",
    "revision",
    re.compile(r"([0-9]{1,18})"),
    {
        "id": Field(Kind.REFERENCE, ref=re.compile(r"([0-9]{1,18})")),
        "state": Field(),
        "nodes": Field(Kind.JSON),
    },
    sorts=("id",),
    change_methods=frozenset(),
)
SCHEMAS: Final = (
    *(KEY, ENVIRONMENT, ACCOUNT, MEMBER, SETTING),
    *(UPSTREAM, NODE, REVISION, AUDIT, WEBHOOK_MESSAGE),
)
