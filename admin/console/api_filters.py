"""A collection's filters, order and page size as a form, which needs no script: a browser sends the
form here, and is sent on to the collection's address with them.

Tested in `tests/admin/console/test_api_filters.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlencode

from aiohttp import web

from admin.api.paths import OF_COLLECTION
from admin.api.representations import Json
from admin.console.base import see_other
from admin.service.errors import Refused

_COLLECTION: Final = re.compile(f"{OF_COLLECTION}/?")
_WORDS: Final = {
    "eq": "is",
    "ne": "is not",
    "lt": "is less than",
    "lte": "is at most",
    "gt": "is more than",
    "gte": "is at least",
    "prefix": "begins with",
    "like": "is like (% stands for any text)",
    "notlike": "is not like (% stands for any text)",
    "null": "has no value",
    "notnull": "has a value",
}
"""Modifier of a filter → what it is called."""

Parameters = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Kept:
    """A filter that is in force."""

    text: str
    without: str
    """The URL of the collection without it."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What the form of a collection shows."""

    path: str
    kept: Sequence[Kept]
    kept_query: str
    """Those in force, as a query."""
    conditions: Mapping[str, Sequence[tuple[str, str]]]
    """Field → the parameters that filter by it, each with what it is called."""
    sorts: Sequence[str]
    sort: str
    order: str
    limit: int


def filters_of(path: str, query: Parameters, content: Json, schema: Json) -> Filters:
    """The form for a collection that was answered to a request with this path and query."""
    names = {name for name, values in content["filters"].items() if values}
    in_force = [each for each in query if each[0].partition("_")[0] in names]
    others = [each for each in query if each[0] in {"sort", "order", "limit"}]
    kept = [
        Kept(_sentence(*each), _url(path, [*(x for x in in_force if x is not each), *others]))
        for each in in_force
    ]
    return Filters(
        path,
        kept,
        urlencode(in_force),
        {
            field: [(_parameter(field, each), f"{field} {_WORDS[each]}") for each in described]
            for field, described in (
                (name, each["modifiers"]) for name, each in schema["collectionFilters"].items()
            )
        },
        list(content["sortLinks"]),
        content["sort"]["name"],
        content["sort"]["order"],
        content["pagination"]["limit"],
    )


async def browse(request: web.Request) -> web.Response:
    """Go to the collection that a form is about, filtered as it says. Raises `Refused`."""
    given = request.query
    path = given.get("path", "")
    if not _COLLECTION.fullmatch(path):
        raise Refused("NotFound")
    parameters = parse_qsl(given.get("kept", ""), keep_blank_values=True)
    if given.get("condition"):
        parameters.append((given["condition"], given.get("value", "").strip()))
    wanted = ((name, given.get(name, "").strip()) for name in ("sort", "order", "limit"))
    parameters += [(name, value) for name, value in wanted if value]
    return see_other(_url(path, parameters))


def _parameter(field: str, modifier: str) -> str:
    return field if modifier == "eq" else f"{field}_{modifier}"


def _sentence(parameter: str, value: str) -> str:
    field, _, modifier = parameter.partition("_")
    words = _WORDS.get(modifier or "eq", modifier).partition(" (")[0]
    return f"{field} {words}" + ("" if modifier in {"null", "notnull"} else f" {value}")


def _url(path: str, parameters: Parameters) -> str:
    return f"{path}?{urlencode(parameters)}" if parameters else path
