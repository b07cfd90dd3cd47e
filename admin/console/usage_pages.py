"""The usage on a page: read for the span in the URL, with the links to other spans.

Tested in `tests/admin/console/test_overview_pages.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from admin.console.base import Page
from admin.console.spans import SPANS, span_of
from admin.console.usage_view import dimensions_of, view_of
from admin.service.errors import Refused
from admin.service.permissions import Subject

RANGE: Final = "range"
"""The parameter of a URL that names a span."""
TOO_MUCH: Final = frozenset({"ListTooCostly", "TooManyRows"})
"""Codes of a refusal to read so much usage."""


async def read_usage(
    opened: Page, path: str, subject: Subject, subject_id: int | None = None
) -> Mapping[str, Any]:
    """What the template `plots.html` shows of a subject's usage on the page at `path`. The subject
    is as in `UsageService.report`. Where it takes too long to read, the page is shown without it.
    Raises `Refused`."""
    request = opened.request
    span = span_of(request.query.get(RANGE))
    starts = span.starts(opened.now)
    try:
        rows = await opened.resources.usage.report(
            opened.context.caller,
            subject,
            subject_id,
            starts[0],
            starts[-1] + span.slot,
            dimensions_of(span),
        )
    except Refused as refused:
        if refused.code not in TOO_MUCH:
            raise
        rows, unread = [], True
    else:
        unread = False
    urls = [
        (each, f"{path}?{urlencode(dict(request.query) | {RANGE: each.name})}") for each in SPANS
    ]
    return {"usage": view_of(span, opened.now, rows), "unread": unread, "spans": urls}
