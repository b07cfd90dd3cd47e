"""The overview: usage, keys that need attention, and what does not work now.

Tested in `tests/admin/console/test_overview_pages.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from admin.api.handlers import STATE, parse_id
from admin.api.listing import parse_list_request
from admin.api.login import keep_cookie
from admin.api.representations import Json
from admin.api.schemas import ENVIRONMENT, KEY
from admin.console.base import ENVIRONMENT as ENVIRONMENT_COOKIE
from admin.console.base import Page, open_page
from admin.console.key_pages import FILTERS
from admin.console.usage_pages import read_usage
from admin.service.permissions import Subject

CHOSEN: Final = "chosen"
"""In the URL in place of an environment's id: the one that is chosen in the header."""
SHOWN: Final = 5
"""Keys of each list that are shown."""
COUNTED: Final = 100
"""Keys of each list that are counted at most."""


@dataclass(frozen=True, slots=True)
class KeyList:
    """A list of keys that need attention."""

    title: str
    none: str
    """What is said where there are none."""
    word: str
    field: str
    """The date that is shown of each key, and the word before it."""
    filter: str
    """The choice in the key table that shows them: one of `key_pages.FILTERS`."""


LISTS: Final = (
    KeyList("Expire within 30 days", "No key expires soon.", "expires", "expires", "expiring"),
    KeyList("Never used", "Every key has been used.", "created", "created", "never-used"),
    KeyList(
        "Unused for 90 days",
        "Every key that was ever used was used lately.",
        "last used",
        "lastUsed",
        "unused",
    ),
)


@dataclass(frozen=True, slots=True)
class FoundKeys:
    """The keys of a list, as the page shows them."""

    about: KeyList
    count: str
    keys: Sequence[Json]
    """The first few."""
    url: str
    """The table that shows all of them."""


async def overview(request: web.Request) -> web.Response:
    """The page. The URL may name an environment that it is about, and a span of time. The
    environment is chosen in the header too, or the one that is `chosen` there."""
    given = request.query.get("environment", "")
    opened = await open_page(request, "" if given == CHOSEN else given)
    ref = given
    if given == CHOSEN:
        ref = "" if opened.chosen is None else opened.chosen["id"]
    scope = parse_id(ENVIRONMENT, ref) if ref else None
    if scope is not None:
        usage = await read_usage(opened, request.path, Subject.ENVIRONMENT, scope)
    elif opened.administers:
        usage = await read_usage(opened, request.path, Subject.AUDIT)
    else:
        usage = await read_usage(opened, request.path, Subject.ACCOUNT, opened.owner.id)
    table = "/keys/all?table=all" if opened.administers else "/keys?table=account"
    if scope is not None:
        table = f"/environments/{ref}?table=environment"
    response = opened.render(
        "overview.html",
        environment=ref,
        back=f"{request.path}?{urlencode(dict(request.query) | {'environment': CHOSEN})}"
        if ref
        else request.path,
        administers=opened.administers,
        problems=request.app[STATE].health() if opened.administers else [],
        lists=[await _found(opened, each, scope, table) for each in LISTS],
        endpoint=_endpoint(opened, ref),
        **usage,
    )
    if ref:
        keep_cookie(request, response, ENVIRONMENT_COOKIE, ref)
    return response


async def _found(opened: Page, about: KeyList, scope: int | None, table: str) -> FoundKeys:
    """The keys of a list: of one environment, else those that the caller's own list has. `table` is
    the URL of the table that has them."""
    keys, context = opened.resources.keys, opened.context._replace(scope=scope)
    parameters = [*FILTERS[about.filter], ("limit", str(COUNTED))]
    wanted = parse_list_request(KEY, parameters, context.links, opened.now)
    listing = await keys.list(context, wanted.query)
    more = "+" if listing.next or listing.partial else ""
    shown = [keys.show(view, context.links) for view in listing.views[:SHOWN]]
    return FoundKeys(about, f"{len(listing.views)}{more}", shown, f"{table}&state={about.filter}")


def _endpoint(opened: Page, ref: str) -> str:
    """Where a first request can be sent."""
    if ref and opened.chosen is not None:
        return str(opened.chosen["endpoint"])
    return opened.resources.keys.endpoint_of(None)
