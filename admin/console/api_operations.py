"""What can be done to what a page of the API shows, as forms: made from the answer and the schemas.

The rule that lives here: an operation is offered exactly where the API's answer has it among its
actions, or where it says that something can be created. Pure.

Tested in `tests/admin/console/test_api_operations.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from admin.api.body import parse
from admin.api.representations import Json
from admin.api.schema_json import find_schema
from admin.console.curl import curl_line
from admin.service.errors import Refused

WAS: Final = "was."
"""A form that changes something has each value twice: under this prefix as it was."""
ONCE: Final = frozenset({"create", "import", "rotate"})
"""Operations whose form may be sent once: a page that is loaded again does nothing more."""

_METHODS: Final = {
    "create": ("POST", "Make a new one."),
    "update": ("PUT", "Change some of its fields."),
}
_LABELS: Final = {"update": "Edit", "remove": "Delete"}
_INTEGER: Final = re.compile("-?[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Operation:
    """Something that can be done."""

    name: str
    """`create`, `update`, `remove`, or that of an action."""
    method: str
    url: str
    description: str
    fields: Mapping[str, Json] = field(default_factory=dict)
    """What its body may have: field → what its schema says of it."""
    was: Mapping[str, str] | None = None
    """The values of the fields as they are, where it changes them."""
    typed: Mapping[str, str] = field(default_factory=dict)
    """What was typed into its form."""

    @property
    def label(self) -> str:
        """What its form is called."""
        return _LABELS.get(self.name, self.name.capitalize())

    @property
    def form_url(self) -> str:
        """Where its form is sent without a script: browsers then know only GET and POST."""
        return self.url if self.method == "POST" else f"{self.url}/?action={self.name}"

    def value(self, name: str) -> str:
        """What a field of its form is filled in with."""
        return self.typed.get(name, (self.was or {}).get(name, ""))

    def curl_head(self, origin: str) -> str:
        """The request as a command, without a body."""
        return curl_line(self.method, f"{origin}{self.url}")

    def curl(self, origin: str) -> str:
        """The request as a command, with what its form is filled in with."""
        body = body_of_form(self.fields, self.typed)
        if self.was is None:
            body = {name: "" for name, each in self.fields.items() if each["required"]} | body
        return curl_line(self.method, f"{origin}{self.url}", body)


def operations_of(
    content: Json, schema: Json, schemas: Sequence[Json], origin: str
) -> list[Operation]:
    """What can be done to the resource or collection in an answer, whose schema is `schema`.
    `origin` is that of its URLs."""
    offered = {name: url.removeprefix(origin) for name, url in content.get("actions", {}).items()}
    if content["type"] == "collection":
        made = (("create", url.removeprefix(origin)) for url in content["createTypes"].values())
        return [operation(schemas, schema, *each) for each in (*made, *offered.items())]
    itself = str(content["links"]["self"]).removeprefix(origin)
    first_and_last = {"update": 0, "remove": 2}
    names = sorted(offered, key=lambda name: first_and_last.get(name, 1))
    was = {name: as_text(content.get(name)) for name in schema["resourceFields"]}
    return [
        operation(
            schemas,
            schema,
            name,
            itself if name in first_and_last else offered[name],
            was if name == "update" else None,
        )
        for name in names
    ]


def operation(
    schemas: Sequence[Json],
    schema: Json,
    name: str,
    url: str,
    was: Mapping[str, str] | None = None,
    typed: Mapping[str, str] | None = None,
) -> Operation:
    """The operation `name` on a resource of `schema`, or on their collection."""
    if name == "remove":
        return Operation(name, "DELETE", url, "Remove it for good: it is in no list then.")
    if name in {"create", "update"}:
        method, description = _METHODS[name]
        of_type = schema["resourceFields"]
        fields = {each: about for each, about in of_type.items() if about[name]}
    else:
        action = (schema["resourceActions"] | schema["collectionActions"]).get(name, {})
        method, description = "POST", action.get("description", "")
        body = find_schema(schemas, action.get("input") or "")
        fields = {} if body is None else body["resourceFields"]
    in_order = sorted(fields, key=lambda each: (not fields[each]["required"], each != "name"))
    ordered = {each: fields[each] for each in in_order}
    return Operation(name, method, url, description, ordered, was, typed or {})


def body_of_form(fields: Mapping[str, Json], form: Mapping[str, str]) -> Json:
    """A form as a body of the API. Left out is what was left as it was; what was emptied is null,
    or where that cannot be, an empty text."""
    body: Json = {}
    for name, described in fields.items():
        text, was = _text(form.get(name)), _text(form.get(f"{WAS}{name}"))
        if text in {was or "", None}:
            continue
        nothing = None if described["nullable"] else ""
        body[name] = _typed(described["type"], text) if text else nothing
    return body


def as_text(value: object) -> str:
    """A value of a resource as a form has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return json.dumps(value) if value else ""
    return "" if value is None else str(value)


def _text(given: str | None) -> str | None:
    """What was typed: without the line ends of forms, and without space around it."""
    return None if given is None else given.replace("\r\n", "\n").strip()


def _typed(kind: str, text: str | None) -> object:
    """A text in the type of its field. What is none of that type stays text: the API says so."""
    if kind == "boolean" and text in {"true", "false"}:
        return text == "true"
    if kind == "json" and text:
        with suppress(Refused):
            return parse(text.encode("utf-8", "surrogatepass"))
    if kind == "int" and text and _INTEGER.fullmatch(text):
        return int(text)
    return text
