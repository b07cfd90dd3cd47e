"""Lists in the API: reading the query of a URL, and showing a page of a list as JSON. Pure.

The rules that live here: a marker is opaque, and valid only for the list, order and filters of the
page that it came with. What else a query says is read as leniently as Rancher 1.x did, because its
clients rely on it: a parameter without a meaning is ignored, and a value that a field cannot have
differs from every value that it has.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from admin.api.representations import Json, Links
from admin.api.schemas import Field, Kind, Schema
from admin.api.values import parse_value
from admin.service import Listing
from admin.service.errors import Refused
from proxy.domain.settings import duration
from proxy.store.query import Cursor, Filter, Modifier, Query

DEFAULT_LIMIT: Final = 100
PAGE_LIMIT: Final = 20
"""The default of a browser's page, which is for reading."""
MAX_FILTERS: Final = 50
MAX_PATTERN: Final = 255
"""Characters: matching takes time for each of them, for every record."""
MAX_LIMIT: Final = 1000
"""A greater limit is cut to this, as `pagination.limit` shows."""

_COMPARISONS: Final = (
    Modifier.EQ,
    Modifier.NE,
    Modifier.LT,
    Modifier.LTE,
    Modifier.GT,
    Modifier.GTE,
)
_TEXTUAL: Final = (Modifier.PREFIX, Modifier.LIKE, Modifier.NOTLIKE)
_TOGETHER: Final = frozenset(
    {*_COMPARISONS, Modifier.PREFIX, Modifier.NULL, Modifier.NULL_OR_LTE} - {Modifier.NE}
)
"""The modifiers whose records are together where a list is sorted by the field."""
_MILLISECONDS: Final = re.compile("-?[0-9]{1,18}")
_NUMBER: Final = re.compile("-?[0-9]{1,4000}")  # Python reads up to 4300 digits.
_NULLITY: Final = (Modifier.NULL, Modifier.NOTNULL)


def modifiers_of(field: Field) -> tuple[Modifier, ...]:
    """The ways in which lists can be filtered by a field."""
    match field.kind:
        case Kind.STRING | Kind.TEXT:
            return (*_COMPARISONS, *_TEXTUAL, *_NULLITY)
        case Kind.ENUM | Kind.BOOLEAN:
            return Modifier.EQ, Modifier.NE
        case _:
            return (*_COMPARISONS, *_NULLITY)


@dataclass(frozen=True, slots=True)
class ListRequest:
    """What the query of a collection's URL says."""

    query: Query
    sort: str
    """The name of the field that the list is sorted by."""
    filters: Sequence[tuple[str, str]]
    """The parameters that filter, as they stand in the URL."""


def parse_list_request(
    schema: Schema, parameters: Sequence[tuple[str, str]], links: Links, now: int
) -> ListRequest:
    """Read the parameters of a URL. `now` is in milliseconds since the epoch.

    Raises `Refused` for a marker of another list, for too many filters, for too long a pattern, and
    for a duration in `expiring` or `unused` that is none.
    """
    filters, conditions, by_name = [], list[Filter](), dict(parameters)
    for name, value in parameters:
        of_parameter = _conditions(schema, name, value, now)
        if of_parameter is not None:
            filters.append((name, value))
            conditions += of_parameter
            if len(filters) > MAX_FILTERS:
                raise Refused("InvalidOption", f"a list has at most {MAX_FILTERS} filters")
    sort = _sort(schema, by_name, conditions)
    column = schema.fields[sort].column or sort
    descending = by_name.get("order", "").lower() == "desc"
    after = None
    if "marker" in by_name:
        digest = _digest(schema, links, sort, descending, filters)
        after = _cursor(by_name["marker"], digest)
    query = Query(column, descending, _limit(by_name), after, tuple(conditions))
    return ListRequest(query, sort, filters)


def _limit(by_name: dict[str, str]) -> int:
    """How many resources a page has. A limit below 1 means the largest: Rancher's CLI sends -2."""
    text = by_name.get("limit", "")
    if not _NUMBER.fullmatch(text):
        return DEFAULT_LIMIT
    limit = int(text)
    return min(limit, MAX_LIMIT) if limit > 0 else MAX_LIMIT


def _sort(schema: Schema, by_name: dict[str, str], conditions: Sequence[Filter]) -> str:
    """The field to sort by: the one that the URL names, else a field of a filter, else the id.

    Sorted by a field of a filter, the store reads only records that fit that filter. Of several
    filters it is the first one, but a state or a role only where there is no other: many have it.
    """
    if by_name.get("sort") in schema.sorts:
        return by_name["sort"]
    columns = {schema.fields[name].column: name for name in schema.sorts}
    served = [
        columns[each.column]
        for each in conditions
        if each.column in columns and each.modifier in _TOGETHER
    ]
    return min(served, key=lambda name: schema.fields[name].kind is Kind.ENUM, default="id")


def _conditions(schema: Schema, name: str, value: str, now: int) -> list[Filter] | None:
    """What a parameter demands of records, None where it is no filter. Raises `Refused`."""
    if name in schema.filters:
        return _special(name, value, now)
    field_name, _, suffix = name.partition("_")
    dated = schema.fields.get(field_name.removesuffix("TS"))
    as_number = field_name.endswith("TS") and dated is not None and dated.kind is Kind.DATE
    field = dated if as_number else schema.fields.get(field_name)
    if field is None or field.column is None:
        return None
    modifier = next((each for each in modifiers_of(field) if each == (suffix or "eq")), None)
    if modifier is None:
        return None
    if modifier in _NULLITY:
        return [Filter(field.column, modifier)]
    if modifier in _TEXTUAL:
        _check_pattern(name, value)
        return [Filter(field.column, modifier, value)]
    if field.kind is Kind.BOOLEAN:
        return _expired(field.column, modifier, value, now)
    try:
        parsed = _milliseconds(value) if as_number else parse_value(name, field, value)
    except Refused:
        return _of_no_record(field.column, modifier)
    dated_by_second = field.kind is Kind.DATE and not as_number and "." not in value
    if dated_by_second and isinstance(parsed, int):
        return _within_second(field.column, modifier, parsed)
    return [Filter(field.column, modifier, parsed)]


def _special(name: str, value: str, now: int) -> list[Filter]:
    """What a parameter of `Schema.filters` demands. Raises `Refused`."""
    if name == "search":
        _check_pattern(name, value)
        return [Filter("id", Modifier.SEARCH, value.strip())]
    try:
        span = duration(value)
    except ValueError as error:
        raise Refused("InvalidFormat", f"{name} {error}", field=name) from None
    if name == "expiring":
        return [Filter("expires", Modifier.GT, now), Filter("expires", Modifier.LTE, now + span)]
    begin = now - span
    return [
        Filter("last_used", Modifier.NULL_OR_LTE, begin),
        Filter("created", Modifier.LTE, begin),
    ]


def _check_pattern(name: str, value: str) -> None:
    """Raises `Refused`."""
    if len(value) > MAX_PATTERN:
        detail = f"a pattern has at most {MAX_PATTERN} characters"
        raise Refused("MaxLengthExceeded", detail, field=name)


def _of_no_record(column: str, modifier: Modifier) -> list[Filter]:
    """A filter by a value that no record has: all differ from it, and none compares otherwise."""
    return [] if modifier is Modifier.NE else [Filter(column, Modifier.EQ, None)]


def _expired(column: str, modifier: Modifier, value: str, now: int) -> list[Filter]:
    """A filter by the field `expired`, which depends on the clock."""
    if value.lower() not in {"true", "false"}:
        return _of_no_record(column, modifier)
    if (value.lower() == "true") is (modifier is Modifier.EQ):
        return [Filter(column, Modifier.GT, 0), Filter(column, Modifier.LTE, now)]
    return [Filter(column, Modifier.NE, 0, now)]


def _milliseconds(text: str) -> int:
    """Raises `Refused`."""
    if not _MILLISECONDS.fullmatch(text):
        raise Refused("InvalidFormat")
    return int(text)


def _within_second(column: str, modifier: Modifier, second: int) -> list[Filter]:
    """A filter by a date without a fraction, as resources show it, means all of that second."""
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
    schema: Schema, links: Links, sort: str, descending: bool, filters: Sequence[tuple[str, str]]
) -> str:
    """A digest of what a marker is bound to."""
    text = json.dumps([schema.name, links.scope, sort, descending, filters])
    return hashlib.blake2b(text.encode(), digest_size=9).hexdigest()


def _cursor(marker: str, digest: str) -> Cursor:
    """Where the page of `marker` begins. Raises `Refused` unless it is bound to `digest`."""
    try:
        text = base64.b64decode(marker, altchars=b"-_", validate=True)
        bound, value, number = json.loads(text)
    except (ValueError, RecursionError, TypeError):
        bound, value, number = "", 0, 0
    if bound != digest or not _storable(value) or not _storable(number) or isinstance(number, str):
        raise Refused("InvalidMarker", field="marker")
    return Cursor(value, number)


def _storable(value: object) -> bool:
    """Whether a store can compare with it. A client may have invented the marker."""
    if isinstance(value, str):
        return not any("\ud800" <= character <= "\udfff" for character in value)
    return isinstance(value, int) and -(2**63) <= value < 2**63


def collection_json(
    schema: Schema, listing: Listing[Any], data: Sequence[Json], request: ListRequest, links: Links
) -> Json:
    """A page of a collection. `data` are the resources of `listing` as JSON."""
    url, query = links.collection(schema), request.query
    order = "desc" if query.descending else "asc"

    def page_url(sort: str, order: str, cursor: Cursor | None = None) -> str:
        parameters = [*request.filters, ("sort", sort), ("order", order)]
        parameters.append(("limit", str(query.limit)))
        if cursor is not None:
            digest = _digest(schema, links, sort, query.descending, request.filters)
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
        "sortLinks": {sort: page_url(sort, "asc") for sort in schema.sorts},
        "pagination": {
            "first": page_url(request.sort, order) if query.after else None,
            "previous": None,
            "next": page_url(request.sort, order, listing.next) if listing.next else None,
            "limit": query.limit,
            "total": None,
            "partial": listing.partial,
        },
        "sort": {
            "name": request.sort,
            "order": order,
            "reverse": page_url(request.sort, "asc" if query.descending else "desc"),
        },
        "filters": _filters_json(schema, request.filters),
        "createDefaults": {},
    }


def _filters_json(schema: Schema, filters: Sequence[tuple[str, str]]) -> Json:
    fields = [name for name, field in schema.fields.items() if field.column]
    shown: Json = dict.fromkeys([*fields, *schema.filters])
    for name, value in filters:
        field_name, _, modifier = name.partition("_")
        each = {"value": value, "modifier": modifier or "eq"}
        shown[field_name] = [*(shown.get(field_name) or []), each]
    return shown
