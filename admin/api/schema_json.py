"""The schemas as JSON, from which clients learn the resources and what they may do. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from admin.api.descriptions import ACTIONS, field_description
from admin.api.inputs import INPUTS
from admin.api.listing import modifiers_of
from admin.api.representations import Json, Links
from admin.api.schemas import (
    ACCOUNT,
    AUDIT,
    ENVIRONMENT,
    KEY,
    MEMBER,
    NODE,
    PROJECT_TEMPLATE,
    REVISION,
    SCHEMAS,
    SETTING,
    UPSTREAM,
    USAGE,
    WEBHOOK_MESSAGE,
    Field,
    Kind,
    Schema,
)
from admin.service import Grants, may_see_revisions
from admin.service.permissions import RIGHT_OF, Right, Rights, Subject
from proxy.domain.model import Action
from proxy.store.query import Modifier

_SCHEMA: Final = Schema(
    "schema", "schemas", "schema", re.compile(r"([A-Za-z]{1,40})"), {}, change_methods=frozenset()
)
_SUBJECTS: Final = {
    ENVIRONMENT.name: Subject.ENVIRONMENT,
    ACCOUNT.name: Subject.ACCOUNT,
    MEMBER.name: Subject.MEMBER,
    SETTING.name: Subject.SETTING,
    UPSTREAM.name: Subject.SETTING,
    NODE.name: Subject.SETTING,
    AUDIT.name: Subject.AUDIT,
    WEBHOOK_MESSAGE.name: Subject.WEBHOOK,
}
_SEE: Final = frozenset({Right.SEE})
_TYPES: Final = {
    "id": "id",
    "projectId": "reference[project]",
    "key": "reference[apiKey]",
    "environment": "reference[project]",
}
_OUTPUT: Final = {"explain": "explanation"}
_RIGHTS: Final = {"explain": Right.SEE, "retry": Right.EDIT, "forget": Right.EDIT}
"""Of actions that change no state of a record."""
_METHOD_OF: Final = {"POST": Right.CREATE, "PUT": Right.EDIT, "DELETE": Right.LIFECYCLE}


def schemas_json(grants: Grants, links: Links) -> list[Json]:
    """The schemas of all types that the caller may see, cut to what it may do."""
    admin = Right.CREATE in grants[Subject.ACCOUNT]
    of_types = [
        _schema(schema, rights, links, admin=admin)
        for schema in SCHEMAS
        if (rights := _rights(schema, grants, links))
    ]
    of_all = [_schema(each, _SEE, links) for each in (USAGE, PROJECT_TEMPLATE, _SCHEMA)]
    if Right.SEE not in grants[Subject.AUDIT]:
        of_all[0]["collectionMethods"] = []  # which is the usage of all
    actions = {name for each in of_types for name in _actions_of(each)}
    inputs = [_input(each, links) for name, each in INPUTS.items() if name in actions]
    return [*of_types, *of_all, *inputs]


def find_schema(schemas: Sequence[Json], name: str) -> Json | None:
    """The schema with this name, singular or plural, in any case; None where there is none."""
    for each in schemas:
        if name.isascii() and name.lower() in {each["id"].lower(), each["pluralName"].lower()}:
            return each
    return None


def _rights(schema: Schema, grants: Grants, links: Links) -> Rights:
    if schema is REVISION:
        return _SEE if may_see_revisions(grants) else frozenset()
    if schema is not KEY:
        return grants[_SUBJECTS[schema.name]]
    in_environments = grants[Subject.ENVIRONMENT_KEY]
    return in_environments if links.scope else in_environments | grants[Subject.ACCOUNT_KEY]


def _schema(schema: Schema, rights: Rights, links: Links, *, admin: bool = False) -> Json:
    collection = f"{links.base}/schemas" if schema is _SCHEMA else links.collection(schema)
    return {
        "id": schema.name,
        "type": "schema",
        "baseType": "schema",
        "pluralName": schema.plural,
        "links": {"self": f"{links.schemas}/{schema.name.lower()}", "collection": collection},
        "actions": {},
        "collectionMethods": _methods(schema, rights, {"POST"}),
        "resourceMethods": _methods(schema, rights, {"PUT", "DELETE"}),
        "resourceFields": _fields(schema, rights, admin=admin),
        "resourceActions": {
            name: _action(name, schema) for name in schema.actions if _right_for(name) in rights
        },
        "collectionActions": {
            name: _action(name, schema) for name in schema.collection_actions if admin
        },
        "collectionFilters": {
            name: {"modifiers": list(modifiers_of(field))}
            for name, field in schema.fields.items()
            if field.column is not None
        }
        | {name: {"modifiers": [Modifier.EQ]} for name in schema.filters},
    }


def _input(schema: Schema, links: Links) -> Json:
    """The schema of an action's body, of which there is no collection."""
    return {
        "id": schema.name,
        "type": "schema",
        "baseType": "schema",
        "pluralName": schema.plural,
        "links": {"self": f"{links.schemas}/{schema.name.lower()}"},
        "actions": {},
        "collectionMethods": [],
        "resourceMethods": [],
        "resourceFields": _fields(schema, frozenset({Right.CREATE})),
        "resourceActions": {},
        "collectionActions": {},
        "collectionFilters": {},
    }


def _action(name: str, schema: Schema) -> Json:
    return {
        "input": INPUTS[name].name if name in INPUTS else None,
        "output": _OUTPUT.get(name, schema.name),
        "description": ACTIONS[name],
    }


def _actions_of(schema: Json) -> list[str]:
    return [*schema["resourceActions"], *schema["collectionActions"]]


def _methods(schema: Schema, rights: Rights, methods: set[str]) -> list[str]:
    changing = sorted(
        method for method in methods & schema.change_methods if _METHOD_OF[method] in rights
    )
    return ["GET", *changing]


def _right_for(action: str) -> Right:
    if action in _RIGHTS:
        return _RIGHTS[action]
    return RIGHT_OF[Action(action)]


def _fields(schema: Schema, rights: Rights, *, admin: bool = False) -> Json:
    return {
        name: _field(name, field, rights if admin or not field.admins else _SEE)
        | _description(schema.name, name)
        for name, field in schema.fields.items()
    }


def _description(type_name: str, field: str) -> Json:
    text = field_description(type_name, field)
    return {} if text is None else {"description": text}


def _field(name: str, field: Field, rights: Rights) -> Json:
    described: Json = {
        "type": _type(name, field),
        "create": field.create and Right.CREATE in rights,
        "update": field.update and Right.EDIT in rights,
        "nullable": field.nullable,
        "required": field.required,
    }
    if field.options is not None:
        described["options"] = list(field.options)
    if field.max_length is not None:
        described["maxLength"] = field.max_length
    if field.default is not None:
        described["default"] = field.default
    return described


def _type(name: str, field: Field) -> str:
    if field.kind is Kind.REFERENCE:
        return _TYPES.get(name, "reference[account]")
    return Kind.JSON if field.kind is Kind.LIMITS else field.kind
