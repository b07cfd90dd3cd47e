"""Usage in the API: reading what a URL asks for, and showing a report as JSON. Pure.

Tested in `tests/admin/api/test_usage.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from admin.api.representations import Json, timestamp
from admin.api.schemas import ACCOUNT, ENVIRONMENT, KEY, USAGE, Field, Kind
from admin.api.values import parse_value
from admin.service.errors import Refused
from admin.service.permissions import Subject
from admin.service.usage import UNSEEN, whole_hours
from proxy.domain.settings import duration
from proxy.domain.usage import DAY, HOUR, Dimension, UsageRow, Value

SUBJECTS: Final = {
    KEY.name: Subject.ACCOUNT_KEY,
    ENVIRONMENT.name: Subject.ENVIRONMENT,
    ACCOUNT.name: Subject.ACCOUNT,
}
"""The types of resource that have usage, and what `UsageService.report` calls them."""

OTHERS: Final = "others"
"""In place of a key's id: all keys that the caller may not see."""
LATELY: Final = DAY
"""What a report is about that does not say when: the last 24 hours."""


@dataclass(frozen=True, slots=True)
class UsageRequest:
    """What the query of a report's URL says. Times are milliseconds since the epoch."""

    start: int
    end: int
    by: Sequence[Dimension]


def parse_usage_request(parameters: Mapping[str, str], now: int) -> UsageRequest:
    """Read the parameters of a URL. `now` is in milliseconds since the epoch. Raises `Refused`."""
    end = _moment("to", parameters["to"], now) if "to" in parameters else now
    start = _moment("from", parameters["from"], now) if "from" in parameters else end - LATELY
    if start >= end:
        raise Refused("MinLimitExceeded", "to must be later than from", field="to")
    return UsageRequest(*whole_hours(start, end), _dimensions(parameters.get("by", "hour")))


def _moment(name: str, text: str, now: int) -> int:
    """A time in RFC 3339, or a duration back from now. Raises `Refused`."""
    with suppress(ValueError):
        if text.startswith("-"):
            return now - duration(text[1:])
    with suppress(Refused):
        moment = int(parse_value(name, Field(Kind.DATE), text))
        if timestamp(moment + HOUR) is not None:  # the end of its hour can be shown too
            return moment
    detail = (
        f"{name} must be a date and time as in 2030-01-31T12:00:00Z, or a duration back from now "
        "as in -7d or -12h"
    )
    raise Refused("InvalidDateFormat", detail, field=name)


def _dimensions(text: str) -> list[Dimension]:
    """A list of dimensions, separated by commas. Raises `Refused`."""
    try:
        return [Dimension(name) for name in dict.fromkeys(filter(None, text.split(",")))]
    except ValueError:
        detail = f"by must be a list, separated by commas, of {', '.join(Dimension)}"
        raise Refused("InvalidOption", detail, field="by") from None


def key_refs(rows: Sequence[UsageRow], by: Sequence[Dimension]) -> list[str]:
    """The ids, in the API, of the keys in a report."""
    if Dimension.KEY not in by:
        return []
    place = by.index(Dimension.KEY)
    return list({f"1c{row.values[place]}" for row in rows if int(row.values[place]) > 0})


def usage_json(
    rows: Sequence[UsageRow], request: UsageRequest, url: str, names: Mapping[str, str]
) -> Json:
    """A report. `url` is where it was requested, without a query; `names` are those of keys, by
    their ids."""
    start, end, by = timestamp(request.start), timestamp(request.end), list(request.by)
    query = urlencode({"from": start, "to": end, "by": ",".join(by)}, safe=":,")
    return {
        "type": "collection",
        "resourceType": USAGE.name,
        "links": {"self": f"{url}?{query}"},
        "createTypes": {},
        "actions": {},
        "from": start,
        "to": end,
        "by": by,
        "data": [_row_json(row, request.by, names) for row in rows],
        "pagination": None,
        "sort": None,
        "filters": {},
        "createDefaults": {},
    }


def _row_json(row: UsageRow, by: Sequence[Dimension], names: Mapping[str, str]) -> Json:
    shown: Json = {"type": USAGE.name, "links": {}, "actions": {}}
    for dimension, value in zip(by, row.values, strict=True):
        shown[dimension] = _shown(dimension, value)
    named = {"keyName": names.get(shown[Dimension.KEY])} if Dimension.KEY in by else {}
    return shown | {
        "requests": row.requests,
        "refused": row.refused,
        "failed": row.failed,
        "bytesIn": row.received,
        "bytesOut": row.sent,
        "seconds": round(row.seconds, 3),
        **named,
    }


def _shown(dimension: Dimension, value: Value) -> Value | None:
    """A value as the API shows it: times as text, ids as references, the class of a status."""
    match dimension:
        case Dimension.HOUR | Dimension.DAY:
            return timestamp(int(value))
        case Dimension.STATUS:
            return f"{value}xx"
        case Dimension.KEY if value == UNSEEN:
            return OTHERS
        case Dimension.KEY:
            return f"1c{value}" if value else None
        case Dimension.ENVIRONMENT:
            return f"1a{value}" if value else None
        case _:
            return value
