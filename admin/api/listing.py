"""Collections on the wire: what a query asks for, and a piece of a list as JSON. Pure.

A marker is opaque, and good only for the collection, order and filters that it was given for.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from admin.api.representations import Json, Links
from admin.api.schemas import KEY, Field, Kind, Schema, parse_value
from admin.service import Listing
from admin.service.errors import Refused
from proxy.domain.settings import duration
from proxy.store.query import Cursor, Filter, Modifier, Query

DEFAULT_LIMIT: Final = 100
MAX_FILTERS: Final = 50
MAX_PATTERN: Final = 255
"""Characters: matching takes time for each of them, with each record."""
MAX_LIMIT: Final = 1000
"""A greater limit is cut to this; `pagination.limit` says so."""

_COMPARISONS: Final = (
    Modifier.EQ,
    Modifier.NE,
    Modifier.LT,
    Modifier.LTE,
    Modifier.GT,
    Modifier.GTE,
)
_TEXTUAL: Final = (Modifier.PREFIX, Modifier.LIKE, Modifier.NOTLIKE)
_MILLISECONDS: Final = re.compile("-?[0-9]{1,18}")
_NULLITY: Final = (Modifier.NULL, Modifier.NOTNULL)


def modifiers_of(field: Field) -> tuple[Modifier, ...]:
    """How lists can be filtered by a field."""
    match field.kind:
        case Kind.STRING | Kind.TEXT:
            return (*_COMPARISONS, *_TEXTUAL, *_NULLITY)
        case Kind.ENUM:
            return Modifier.EQ, Modifier.NE
        case _:
            return (*_COMPARISONS, *_NULLITY)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request for a collection asks for."""

    query: Query
    sort: str
    """The field."""
    given: Sequence[tuple[str, str]]
    """The filters as they were given."""


def asked(schema: Schema, parameters: Iterable[tuple[str, str]], links: Links, now: int) -> Asked:
    """Read the query of a URL; `now` in milliseconds since the epoch. Raises `Refused`.

    Parameters that name nothing are ignored, as Rancher's clients expect.
    """
    given, filters, named = [], [], dict(parameters)
    for name, value in parameters:
        found = _filters(schema, name, value, now)
        if found:
            given.append((name, value))
            filters += found
            if len(given) > MAX_FILTERS:
                raise Refused("InvalidOption", f"a list has at most {MAX_FILTERS} filters")
    sort = _sort(schema, named, filters)
    column = schema.fields[sort].column or sort
    descending = _option("order", named.get("order", "asc"), ("asc", "desc")) == "desc"
    after = None
    if "marker" in named:
        after = _place(named["marker"], _digest(schema, links, sort, descending, given))
    query = Query(column, descending, _limit(named), after, tuple(filters))
    return Asked(query, sort, given)


def _limit(named: dict[str, str]) -> int:
    limit = named.get("limit", str(DEFAULT_LIMIT))
    if not (limit.isascii() and limit.isdigit()) or len(limit) > 9 or int(limit) < 1:
        raise Refused("InvalidOption", f"limit is a number from 1 to {MAX_LIMIT}", field="limit")
    return min(int(limit), MAX_LIMIT)


def _option(name: str, value: str, options: Sequence[str]) -> str:
    if value not in options:
        raise Refused("InvalidOption", f"{name} is one of {', '.join(options)}", field=name)
    return value


def _sort(schema: Schema, named: dict[str, str], filters: Sequence[Filter]) -> str:
    """The field to sort by: the one that is asked for, else one by which the list is filtered, for
    then only what fits is walked, else the id."""
    if "sort" in named:
        return _option("sort", named["sort"], schema.sorts)
    columns = {schema.fields[name].column: name for name in schema.sorts}
    for each in filters:
        if each.column in columns and each.modifier in {*_COMPARISONS, Modifier.PREFIX}:
            return columns[each.column]
    return "id"


def _filters(schema: Schema, name: str, value: str, now: int) -> list[Filter]:
    if name == "expiring" and schema is KEY:
        try:
            until = now + duration(value)
        except ValueError as error:
            raise Refused("InvalidFormat", f"expiring {error}", field="expiring") from None
        return [Filter("expires", Modifier.GT, now), Filter("expires", Modifier.LTE, until)]
    field_name, _, suffix = name.partition("_")
    dated = schema.fields.get(field_name.removesuffix("TS"))
    as_number = field_name.endswith("TS") and dated is not None and dated.kind is Kind.DATE
    field = dated if as_number else schema.fields.get(field_name)
    if field is None or field.column is None:
        return []
    modifier = next((each for each in modifiers_of(field) if each == (suffix or "eq")), None)
    if modifier is None:
        return []
    if modifier in _NULLITY:
        return [Filter(field.column, modifier)]
    if modifier in _TEXTUAL:
        if len(value) > MAX_PATTERN:
            detail = f"a pattern is at most {MAX_PATTERN} characters"
            raise Refused("MaxLengthExceeded", detail, field=name)
        return [Filter(field.column, modifier, value)]
    if as_number:
        return [Filter(field.column, modifier, _milliseconds(name, value))]
    meant = parse_value(name, field, value)
    if field.kind is Kind.DATE and "." not in value and isinstance(meant, int):
        return _within_second(field.column, modifier, meant)
    return [Filter(field.column, modifier, meant)]


def _milliseconds(name: str, value: str) -> int:
    if not _MILLISECONDS.fullmatch(value):
        raise Refused("InvalidFormat", f"{name} is milliseconds since 1970", field=name)
    return int(value)


def _within_second(column: str, modifier: Modifier, second: int) -> list[Filter]:
    """A date without a fraction, as resources show it, stands for all of that second."""
    last = second + 999
    match modifier:
        case Modifier.EQ:
            return [Filter(column, Modifier.GTE, second), Filter(column, Modifier.LTE, last)]
        case Modifier.NE:
            return [Filter(column, modifier, second, last)]
        case Modifier.GT | Modifier.LTE:
            return [Filter(column, modifier, last)]
        case _:
            return [Filter(column, modifier, second)]


def _digest(
    schema: Schema, links: Links, sort: str, descending: bool, given: Sequence[tuple[str, str]]
) -> str:
    """What a marker is bound to."""
    text = json.dumps([schema.name, links.scope, sort, descending, given])
    return hashlib.blake2b(text.encode(), digest_size=9).hexdigest()


def _place(marker: str, digest: str) -> Cursor:
    """Where `marker` goes on. Raises `Refused` unless it was given for what `digest` stands for."""
    try:
        text = base64.b64decode(marker, altchars=b"-_", validate=True)
        bound, value, number = json.loads(text)
    except (ValueError, RecursionError, TypeError):
        bound, value, number = "", 0, 0
    if bound != digest or not _storable(value) or not _storable(number) or isinstance(number, str):
        raise Refused("InvalidMarker", field="marker")
    return Cursor(value, number)


def _storable(value: object) -> bool:
    """Whether a store can compare with it: markers can be made up."""
    if isinstance(value, str):
        return not any("\ud800" <= character <= "\udfff" for character in value)
    return isinstance(value, int) and -(2**63) <= value < 2**63


def collection_json(
    schema: Schema, listing: Listing[Any], data: Sequence[Json], asked: Asked, links: Links
) -> Json:
    """A piece of a collection, `data` being the resources of `listing`."""
    url, query = links.collection(schema), asked.query
    order = "desc" if query.descending else "asc"

    def to(sort: str, order: str, cursor: Cursor | None = None) -> str:
        parameters = [*asked.given, ("sort", sort), ("order", order), ("limit", str(query.limit))]
        if cursor is not None:
            digest = _digest(schema, links, sort, query.descending, asked.given)
            text = json.dumps([digest, *cursor])
            marker = base64.urlsafe_b64encode(text.encode()).decode()
            parameters.append(("marker", marker))
        return f"{url}?{urlencode(parameters)}"

    return {
        "type": "collection",
        "resourceType": schema.name,
        "links": {"self": url},
        "createTypes": {schema.name: url} if listing.may_create else {},
        "actions": (
            {action: f"{url}/?action={action}" for action in schema.collection_actions}
            if listing.may_import
            else {}
        ),
        "data": data,
        "sortLinks": {sort: to(sort, "asc") for sort in schema.sorts},
        "pagination": {
            "first": to(asked.sort, order) if query.after else None,
            "previous": None,
            "next": to(asked.sort, order, listing.next) if listing.next else None,
            "limit": query.limit,
            "total": None,
            "partial": listing.partial,
        },
        "sort": {
            "name": asked.sort,
            "order": order,
            "reverse": to(asked.sort, "asc" if query.descending else "desc"),
        },
        "filters": _filters_json(schema, asked.given),
        "createDefaults": {},
    }


def _filters_json(schema: Schema, given: Sequence[tuple[str, str]]) -> Json:
    filters: Json = {name: None for name, field in schema.fields.items() if field.column}
    for name, value in given:
        field_name, _, modifier = name.partition("_")
        each = {"value": value, "modifier": modifier or "eq"}
        filters[field_name] = [*(filters.get(field_name) or []), each]
    return filters
