"""The form that filters the audit log: what its address says, and what is wrong with it.

Tested in `tests/admin/console/test_audit_pages.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from admin.api.listing import parse_list_request
from admin.api.resources import Resource
from admin.api.schemas import KEY_REF, MEMBER_REF, REF, WEBHOOK_MESSAGE
from admin.api.values import EPOCH
from admin.console.audit_entries import WORDS
from admin.console.base import Page
from proxy.domain.settings import SETTINGS, duration

FIELDS: Final = ("search", "who", "what", "action", "when", "from", "to")
"""The parameters of the address, beside `before`: a page begins before the entry of this number."""
PRESETS: Final = (
    ("any", "Any time"),
    ("1h", "Last hour"),
    ("24h", "Last 24 hours"),
    ("7d", "Last 7 days"),
    ("30d", "Last 30 days"),
    ("date", "Between days"),
)
_GROUPS: Final = {f"{name.partition('.')[0]}." for name in WORDS}
"""What actions on one type of record begin with."""
_NUMBER: Final = re.compile("[1-9][0-9]{0,17}")


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """What an address says."""

    given: Mapping[str, str]
    parameters: list[tuple[str, str]] = field(default_factory=list)
    """The same for a list of the API."""
    errors: dict[str, str] = field(default_factory=dict)
    """Field → what is wrong with it."""

    def url(self, **changes: str | None) -> str:
        """The address with another view."""
        view = {name: value for name, value in {**self.given, **changes}.items() if value}
        if view.get("when") == "any":
            del view["when"]
        return f"/audit?{urlencode(view)}" if view else "/audit"


async def read_filter(opened: Page) -> AuditFilter:
    """Read the address of a page. Raises `StoreUnavailable`."""
    query = opened.request.query
    given = {name: query.get(name, "").strip() for name in FIELDS}
    given["when"] = given["when"] or ("date" if given["from"] or given["to"] else "any")
    if given["when"] != "date":
        given["from"] = given["to"] = ""
    found = AuditFilter(given)
    add = found.parameters.append
    resources = opened.resources
    if given["search"]:
        add(("search", given["search"]))
    if given["who"]:
        ref = await _ref(found, "who", opened, (resources.accounts, resources.keys))
        if ref is not None:
            add(("keyId" if ref.startswith("1c") else "accountId", ref))
    if given["what"]:
        all_types = (resources.keys, resources.environments, resources.accounts)
        if (ref := await _ref(found, "what", opened, all_types)) is not None:
            add(("resourceId", ref))
    if given["action"]:
        whole = given["action"] in _GROUPS
        add(("eventType_prefix" if whole else "eventType", given["action"]))
    if given["when"] == "date":
        _read_days(found)
    elif given["when"] not in dict(PRESETS):
        found.errors["when"] = "Choose one of the times."
    elif given["when"] != "any":
        add(("createdTS_gte", str(opened.now - duration(given["when"]))))
    before = query.get("before", "")
    if _NUMBER.fullmatch(before):
        add(("id_lt", before))
    return found


async def _ref(
    found: AuditFilter, name: str, opened: Page, resources: tuple[Resource[Any], ...]
) -> str | None:
    """The id that a field means: an id as it is, or that of what has the name in it."""
    text = found.given[name]
    refs_of_all = (REF, KEY_REF, MEMBER_REF, WEBHOOK_MESSAGE.ref)
    if any(each.fullmatch(text) for each in refs_of_all) or text in SETTINGS:
        return text
    refs: list[str] = []
    for resource in resources:
        fields = ("name", "publicValue") if "publicValue" in resource.schema.fields else ("name",)
        for each in fields:
            wanted = parse_list_request(
                resource.schema, [(each, text), ("limit", "3")], opened.context.links, opened.now
            )
            listing = await resource.list(opened.context, wanted.query)
            refs += [view.record.ref for view in listing.views]
    if len(refs) == 1:
        return refs[0]
    if refs:
        found.errors[name] = f"Several have this name: {', '.join(refs)}. Give an id."
    else:
        found.errors[name] = "Nothing has this id or name. What was deleted has its id alone."
    return None


def _read_days(found: AuditFilter) -> None:
    add = found.parameters.append
    days = {name: _day(found, name) for name in ("from", "to")}
    first, last = days["from"], days["to"]
    if first is not None:
        add(("createdTS_gte", str(_milliseconds(first))))
    if last is not None:
        add(("createdTS_lt", str(_milliseconds(last) + duration("1d"))))
    if first is not None and last is not None and last < first:
        found.errors["to"] = "This day is before the first one."


def _day(found: AuditFilter, name: str) -> date | None:
    if not found.given[name]:
        return None
    try:
        return date.fromisoformat(found.given[name])
    except ValueError:
        found.errors[name] = "This should be a day, as in 2026-01-31."
        return None


def _milliseconds(day: date) -> int:
    """When a day begins in UTC."""
    return (datetime.combine(day, time(), UTC) - EPOCH) // timedelta(milliseconds=1)
