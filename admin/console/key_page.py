"""A key's own page: what it reaches, its usage, its audit entries, and “may this key do that?”.

Tested in `tests/admin/console/test_key_page.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from admin.api.listing import parse_list_request
from admin.api.representations import Json
from admin.api.resources.keys import KeyResource
from admin.console.base import Page
from admin.console.explain_form import METHODS, question_of
from admin.console.table import refs_in
from admin.console.usage_pages import read_usage
from admin.service.permissions import Right, Subject
from proxy.domain.model import AccountKind, Role

ENTRIES: Final = 10
"""Audit entries that the page shows."""
PLACES: Final = 100
"""Environments that it lists."""
DONE: Final = {
    "create": "Created",
    "import": "Imported",
    "update": "Changed",
    "rotate": "Rotated",
    "activate": "Activated",
    "deactivate": "Deactivated",
    "remove": "Deleted",
    "purge": "Purged",
}
"""What an entry of the audit log says was done to a key."""


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
        question = await question_of(keys, context, key_id, shown, opened.request.query)
    rows = [shown, *entries, *({"projectId": each} for each in places)]
    return {
        "owner_of_key": owner,
        "entries": [(_done(entry), entry) for entry in entries],
        "places": places,
        "question": question,
        "methods": METHODS,
        "names": await opened.resources.names_of(context, refs_in(rows)),
        **await read_usage(opened, f"/keys/{shown['id']}", Subject.ACCOUNT_KEY, key_id),
    }


async def _audit_entries(opened: Page, key: str) -> list[Json]:
    """The last changes of a key, for those who may see the audit log."""
    if not opened.may(Right.SEE, Subject.AUDIT):
        return []
    return await _listed(
        opened,
        opened.resources.audit_log,
        (("resourceId", key), ("sort", "resourceId"), ("order", "desc"), ("limit", str(ENTRIES))),
    )


def _done(entry: Json) -> str:
    """What an entry says was done: of a change also to which fields."""
    action = str(entry["eventType"]).rpartition(".")[2]
    fields = f": {', '.join(entry['after'] or ())}" if action == "update" else ""
    return DONE.get(action, action) + fields


async def _places(opened: Page, key: Json, owner: Json) -> dict[str, Role]:
    """The environments that a key of a user reaches by its account's memberships, each with the
    role that it has there. Empty for other keys."""
    if owner.get("kind") != AccountKind.USER:
        return {}
    wanted = (("accountId", owner["id"]), ("limit", str(PLACES)))
    members = await _listed(opened, opened.resources.members, wanted)
    role = Role(key["role"])
    return {each["projectId"]: role.weaker(Role(each["role"])) for each in members}


async def _listed(opened: Page, resource: Any, parameters: Any) -> list[Json]:
    """A page of a list, by the parameters of the API."""
    context = opened.context
    wanted = parse_list_request(resource.schema, parameters, context.links, opened.now)
    listing = await resource.list(context, wanted.query)
    return [resource.show(view, context.links) for view in listing.views]
