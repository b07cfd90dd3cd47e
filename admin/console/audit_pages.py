"""The page of the audit log.

Tested in `tests/admin/console/test_audit_pages.py`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

from admin.api.listing import MAX_LIMIT, parse_list_request
from admin.api.resources import Resources
from admin.api.resources.audit_log import AuditLogResource
from admin.console.audit_entries import ACTIONS, WORDS, Shown, shown
from admin.console.audit_filter import FIELDS, PRESETS, AuditFilter, read_filter
from admin.console.base import Page, open_page
from admin.service import View
from proxy.domain.audit import Audited

ENTRIES: Final = 50
"""On a page."""
READS: Final = 10
"""How often the store is asked for one page: a filter may leave few of the entries that it reads at
once, and people had rather wait a moment than go on by hand."""


class AuditPages:
    """The audit log, the latest entries first."""

    def __init__(self, resources: Resources) -> None:
        self._audit_log = resources.audit_log

    async def index(self, request: web.Request) -> web.Response:
        """A page of it."""
        opened = await open_page(request)
        found = await read_filter(opened)
        entries, following = (
            ([], None) if found.errors else await _read(self._audit_log, opened, found)
        )
        refs = [ref for each in entries for ref in each.refs]
        export = [*found.parameters, ("order", "desc"), ("limit", str(MAX_LIMIT))]
        return opened.render(
            "audit.html",
            422 if found.errors else 200,
            filter=found,
            given=found.given,
            errors=dict.fromkeys(FIELDS, "") | found.errors,
            paged="before" in request.query,
            entries=entries,
            older=None if following is None else found.url(before=str(following)),
            names=await opened.resources.names_of(opened.context, refs),
            presets=PRESETS,
            actions=ACTIONS,
            words=WORDS,
            export=f"/v2-beta/auditlogs?{urlencode([*export, ('_format', 'json')])}",
        )

    def routes(self) -> list[web.RouteDef]:
        """The routes of its pages."""
        return [web.get("/audit", self.index)]


async def _read(
    audit_log: AuditLogResource, opened: Page, found: AuditFilter
) -> tuple[list[Shown], int | None]:
    """A page of entries, and the number before which the next page begins. Raises `Refused`."""
    parameters = [*found.parameters, ("sort", "id"), ("order", "desc"), ("limit", str(ENTRIES))]
    links = opened.context.links
    query = parse_list_request(audit_log.schema, parameters, links, opened.now).query
    views: list[View[Audited]] = []
    for _ in range(READS):
        listing = await audit_log.list(opened.context, replace(query, limit=ENTRIES - len(views)))
        views += listing.views
        query = replace(query, after=listing.next)
        if listing.next is None or len(views) == ENTRIES:
            break
    altered = await audit_log.altered(opened.context, views)
    entries: list[dict[str, Any]] = [audit_log.show(view, links) for view in views]
    following = None if query.after is None else query.after.id
    return [shown(each, altered=each["id"] in altered) for each in entries], following
