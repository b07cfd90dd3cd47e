"""A table of resources: what the URL says of search, filter, order and page, and the rows.

Tested in `tests/admin/console/test_key_pages.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from aiohttp import web

from admin.api.listing import collection_json, parse_list_request
from admin.api.representations import Json
from admin.api.resources import Name, RequestContext, Resource
from admin.console.base import Page
from proxy.domain.model import Action

PAGE: Final = 50
"""Rows of a page."""
_VIEW: Final = ("search", "state", "sort", "order")
"""The parameters of a URL that say how a table is viewed."""
_ORDER: Final = ("sort", "order")
"""Those that leave no rows out."""
SEVERAL: Final = (Action.DEACTIVATE, Action.ACTIVATE, Action.REMOVE)
"""The actions that can be done on several rows at once, in the order in which they are offered."""
_NAMED: Final = ("accountId", "creatorId", "projectId", "keyId", "resourceId")
"""The fields of resources that hold the id of another, to be shown by its name."""


@dataclass(frozen=True, slots=True)
class Table:
    """A page of a table."""

    name: str
    path: str
    view: dict[str, str]
    """The parameters in the URL."""
    states: Sequence[tuple[str, str]]
    rows: list[Json]
    next_marker: str | None
    """Where the next page begins."""
    paged: bool
    """Whether this is not the first page."""
    partial: bool
    """Whether the search has not seen all rows."""
    may_create: bool
    viewed: bool
    """Whether the URL is about this table."""
    names: dict[str, Name]
    """The names of what the rows refer to, by its id, as far as they may be seen."""
    sortable: Collection[str]
    """The columns by which it can be sorted."""
    owner: str = ""
    """The account or environment whose keys these are."""

    @property
    def filtered(self) -> bool:
        """Whether a search or another filter leaves rows out."""
        return any(value for name, value in self.view.items() if name not in _ORDER)

    @property
    def whole(self) -> str:
        """The URL of this table with all rows, in the order in which it is viewed."""
        return self.url(**dict.fromkeys(name for name in self.view if name not in _ORDER))

    def several(self, rows: Sequence[Json]) -> list[str]:
        """The actions that can be done at once on some of these rows."""
        allowed = {action for row in rows for action in row["actions"]}
        if Action.DEACTIVATE in allowed:  # what is active is deactivated before it is removed
            allowed.add(Action.REMOVE)
        return [each for each in SEVERAL if each in allowed]

    @property
    def limited(self) -> bool:
        """Whether some row has limits."""
        return any(row.get("limits") for row in self.rows)

    @property
    def summary(self) -> str:
        """How much is shown, in words."""
        count = len(self.rows)
        text = "1 row" if count == 1 else f"{count} rows"
        if self.partial:
            return f"{text}; the search goes on with the next page"
        return f"{text}, more on the next page" if self.next_marker else text

    def url(self, **changes: str | None) -> str:
        """The URL of this table viewed in another way; without a marker it is the first page."""
        view = {name: value for name, value in (self.view | changes).items() if value}
        return f"{self.path}?{urlencode({'table': self.name} | view)}"

    def sorted_by(self, column: str) -> str:
        """The URL that sorts by a column, or turns its order round."""
        turn = self.view.get("sort") == column and self.view.get("order") != "desc"
        return self.url(sort=column, order="desc" if turn else "asc")

    def direction(self, column: str) -> str:
        """How the table is sorted by a column, in ARIA's words."""
        if self.view.get("sort") != column:
            return "none"
        return "descending" if self.view.get("order") == "desc" else "ascending"


async def read_table(
    opened: Page,
    resource: Resource[Any],
    name: str,
    filters: Sequence[tuple[str, str]],
    states: Sequence[tuple[str, str]] = (),
    *,
    context: RequestContext | None = None,
    first: bool = True,
    by: Sequence[str] = (),
) -> Table:
    """Read the table `name` as the URL wants it. `filters` are parameters of the API, `by` names
    those that the URL may have besides, `context` is that of the list. Raises `Refused`."""
    request, context = opened.request, context or opened.context
    viewed = is_viewed(request, name, first=first)
    given = request.query if viewed else {}
    view = {each: given.get(each, "") for each in (*_VIEW, *by)}
    marker = given.get("marker", "")
    # Without a sort, the API has an order that an index serves: the latest first, or by a filter.
    order = view["order"] if view["sort"] else "desc"
    asked = {"search": view["search"], "sort": view["sort"], "order": order, "marker": marker}
    parameters = [*filters, *((each, view[each]) for each in by if view[each])]
    parameters.append(("limit", str(PAGE)))
    parameters += [(name, value) for name, value in asked.items() if value]
    wanted = parse_list_request(resource.schema, parameters, context.links, opened.now)
    listing = await resource.list(context, wanted.query)
    rows = [resource.show(each, context.links) for each in listing.views]
    shown = collection_json(resource.schema, listing, rows, wanted, context.links)
    following = shown["pagination"]["next"]
    names = await opened.resources.names_of(context, refs_in(rows))
    return Table(
        name,
        request.path,
        view,
        states,
        rows,
        dict(parse_qsl(following.partition("?")[2]))["marker"] if following else None,
        bool(marker),
        listing.partial,
        listing.may_create,
        viewed,
        names,
        resource.schema.sorts,
    )


def refs_in(rows: Sequence[Json]) -> list[str | None]:
    """The ids of other resources in these, for `Resources.names_of`."""
    return [row.get(field) for row in rows for field in _NAMED]


def is_viewed(request: web.Request, name: str, *, first: bool) -> bool:
    """Whether the URL's search, order and page are those of the table `name`; without a name in the
    URL they are those of the `first` table of the page."""
    return request.query.get("table", name if first else None) == name
