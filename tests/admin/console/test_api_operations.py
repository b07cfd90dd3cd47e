"""What can be done to a resource, as forms: which are offered, and what a form becomes."""

from __future__ import annotations

from typing import Any

import pytest

from admin.api.representations import Links
from admin.api.schema_json import find_schema, schemas_json
from admin.console.api_operations import Operation, body_of_form, operations_of
from admin.service.permissions import Right, Subject

ORIGIN = "http://h"
KEYS = f"{ORIGIN}/v2-beta/apikeys"
SCHEMAS = schemas_json({each: frozenset(Right) for each in Subject}, Links(ORIGIN))
KEY = find_schema(SCHEMAS, "apiKey") or {}
ONE: dict[str, Any] = {
    "type": "apiKey",
    "links": {"self": f"{KEYS}/1c5"},
    "name": "n",
    "role": None,
}


def offered(content: dict[str, Any]) -> dict[str, Operation]:
    """The operations by their names."""
    return {each.name: each for each in operations_of(content, KEY, SCHEMAS, ORIGIN)}


def actions(*names: str) -> dict[str, str]:
    """The actions of the key."""
    return {name: f"{KEYS}/1c5/?action={name}" for name in names}


def test_what_is_offered_is_what_the_answer_has() -> None:
    """To edit stands first, to delete last."""
    found = offered(ONE | {"actions": actions("remove", "rotate", "update")})
    assert [(each.name, each.method, each.url) for each in found.values()] == [
        ("update", "PUT", "/v2-beta/apikeys/1c5"),
        ("rotate", "POST", "/v2-beta/apikeys/1c5/?action=rotate"),
        ("remove", "DELETE", "/v2-beta/apikeys/1c5"),
    ]
    assert found["update"].form_url == "/v2-beta/apikeys/1c5/?action=update"
    assert found["remove"].form_url == "/v2-beta/apikeys/1c5/?action=remove"
    assert offered(ONE | {"actions": {}}) == {}


def test_a_collection_offers_to_create_where_its_answer_says_so() -> None:
    """And the actions of the collection."""
    collection = {"type": "collection", "createTypes": {"apiKey": KEYS}}
    found = offered(collection | {"actions": {"import": f"{KEYS}/?action=import"}})
    assert [(each.name, each.url) for each in found.values()] == [
        ("create", "/v2-beta/apikeys"),
        ("import", "/v2-beta/apikeys/?action=import"),
    ]
    assert offered(collection | {"createTypes": {}, "actions": {}}) == {}


def test_the_fields_of_a_form_are_those_that_can_be_set() -> None:
    """What is required comes first, then the name; a change is filled in with what there is."""
    found = offered(ONE | {"actions": actions("update", "explain")})
    assert list(found["update"].fields) == ["name", "description", "role", "expires", "limits"]
    assert found["update"].was is not None
    assert (found["update"].value("name"), found["update"].value("role")) == ("n", "")
    assert list(found["explain"].fields) == ["path", "method", "origin", "address"]


def test_the_curl_line_of_a_form_has_what_is_typed() -> None:
    """Until then, what is required."""
    found = offered(ONE | {"actions": actions("update", "explain")})
    assert found["explain"].curl(ORIGIN).endswith('?action=explain\' -d \'{"path": ""}\'')
    assert found["update"].curl(ORIGIN) == found["update"].curl_head(ORIGIN)


FIELDS = {
    "name": {"type": "string", "nullable": True},
    "value": {"type": "string", "nullable": False},
    "flag": {"type": "boolean", "nullable": True},
    "count": {"type": "int", "nullable": True},
    "limits": {"type": "json", "nullable": True},
}


@pytest.mark.parametrize(
    ("form", "body"),
    [
        ({}, {}),
        ({"name": "", "value": "", "flag": "", "count": ""}, {}),
        ({"name": " a\r\nb "}, {"name": "a\nb"}),
        ({"flag": "true", "count": "-5"}, {"flag": True, "count": -5}),
        ({"limits": '{"rate": "1/s"}'}, {"limits": {"rate": "1/s"}}),
        ({"limits": "{rate"}, {"limits": "{rate"}),
        ({"limits": '{"a": 1, "a": 2}'}, {"limits": '{"a": 1, "a": 2}'}),
        ({"limits": '{"a":' * 9999}, {"limits": '{"a":' * 9999}),
        ({"limits": "\ud800"}, {"limits": "\ud800"}),
        ({"flag": "maybe", "count": "five"}, {"flag": "maybe", "count": "five"}),
        ({"name": "5", "unknown": "x", "csrf": "t"}, {"name": "5"}),
        ({"name": "old\r\n", "was.name": "old\n"}, {}),
        ({"name": "", "was.name": "old"}, {"name": None}),
        ({"value": "", "was.value": "old"}, {"value": ""}),
        ({"name": "new", "was.name": ""}, {"name": "new"}),
        ({"name": "", "was.name": ""}, {}),
        ({"flag": "false", "was.flag": "true"}, {"flag": False}),
    ],
)
def test_a_form_becomes_a_body_without_what_was_left_as_it_was(
    form: dict[str, str], body: dict[str, object]
) -> None:
    """What was emptied is null, or empty where it cannot be null."""
    assert body_of_form(FIELDS, form) == body
