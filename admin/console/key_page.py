"""A key's own page: what it reaches, its usage, its audit entries, and “may this key do that?”.

Tested in `tests/admin/console/test_key_page.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from admin.api.listing import parse_list_request
from admin.api.representations import Json
from admin.api.resources import Resource
from admin.api.resources.keys import KeyResource
from admin.console.audit_entries import Shown
from admin.console.audit_entries import shown as as_shown
from admin.console.base import Page
from admin.console.explain_form import METHODS, question_of
from admin.console.table import refs_in
from admin.console.usage_pages import read_usage
from admin.service import View
from admin.service.permissions import Right, Subject
from proxy.domain.model import AccountKind, Role

R = TypeVar("R")

ENTRIES: Final = 10
"""Audit entries that the page shows."""
PLACES: Final = 100
"""Environments that it lists."""


async def beside_key(
    opened: Page, keys: KeyResource, key_id: int, shown: Json
) -> Mapping[str, Any]:
    """What the page of a key shows besides the key. Raises `Refused`."""
    context = opened.context
    owner = await opened.resources.owner_of(context, key_id)
    entries = await _audit_entries(opened, shown["id"])
    places = await _places(opened, shown, owner)
    question = None
    if "explain" in shown["actions"]:
        # An account's key acts in many environments: proposed is the one in the header.
        place = (opened.chosen if owner["type"] == "account" else None) or shown
        question = await question_of(keys, context, key_id, place["endpoint"], opened.request.query)
    refs = [*refs_in([shown]), *places, *(ref for each in entries for ref in each.refs)]
    return {
        "owner_of_key": owner,
        "entries": entries,
        "places": places,
        "question": question,
        "methods": METHODS,
        "names": await opened.resources.names_of(context, refs),
        **await read_usage(opened, f"/keys/{shown['id']}", Subject.ACCOUNT_KEY, key_id),
    }


async def _audit_entries(opened: Page, key: str) -> list[Shown]:
    """The last changes of a key, for those who may see the audit log."""
    if not opened.may(Right.SEE, Subject.AUDIT):
        return []
    audit_log, context = opened.resources.audit_log, opened.context
    order = (("sort", "resourceId"), ("order", "desc"), ("limit", str(ENTRIES)))
    views = await _listed(opened, audit_log, (("resourceId", key), *order))
    altered = await audit_log.altered(context, views)
    entries = [audit_log.show(view, context.links) for view in views]
    return [as_shown(entry, altered=entry["id"] in altered) for entry in entries]


async def _places(opened: Page, key: Json, owner: Json) -> dict[str, Role]:
    """The environments that a key of a user reaches by its account's memberships, each with the
    role that it has there. Empty for other keys."""
    if owner.get("kind") != AccountKind.USER:
        return {}
    wanted = (("accountId", owner["id"]), ("limit", str(PLACES)))
    members = [view.record for view in await _listed(opened, opened.resources.members, wanted)]
    role = Role(key["role"])
    return {f"1a{member.environment_id}": role.weaker(member.role) for member in members}


async def _listed(
    opened: Page, resource: Resource[R], parameters: Sequence[tuple[str, str]]
) -> Sequence[View[R]]:
    """A page of a list, by the parameters of the API."""
    context = opened.context
    wanted = parse_list_request(resource.schema, parameters, context.links, opened.now)
    return (await resource.list(context, wanted.query)).views
