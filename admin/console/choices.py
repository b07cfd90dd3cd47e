"""Choosing an environment or an account among any number of them: a few are offered, and others are
found by their names.

With the script a list of names follows what is typed; without it a name or an id is written out.

Tested in `tests/admin/console/test_choices.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from aiohttp import web

from admin.api.listing import parse_list_request
from admin.api.representations import Json
from admin.api.resources import Resource
from admin.console.base import OFFERED, Page, local_path, open_page
from admin.service.errors import Refused

_MEANT: Final = 3
"""Names that are proposed for one that is unknown."""


class Found(NamedTuple):
    """What a search has found."""

    rows: Sequence[Json]
    more: bool
    """Whether there are others."""


async def find(
    opened: Page, resource: Resource[Any], *conditions: tuple[str, str], limit: int = OFFERED
) -> Found:
    """The first few resources by name that meet the conditions of an API list. Raises `Refused`."""
    context = opened.context
    parameters = [*conditions, ("sort", "name"), ("limit", str(limit))]
    wanted = parse_list_request(resource.schema, parameters, context.links, opened.now)
    listing = await resource.list(context, wanted.query)
    rows = [resource.show(view, context.links) for view in listing.views]
    return Found(rows, listing.next is not None or listing.partial)


async def ref_of(opened: Page, resource: Resource[Any], text: str, field: str) -> str:
    """The id of the resource that somebody means by a text: an id, also of one that the caller
    cannot see, or a name that one alone has. Raises `Refused`, about the form's `field`.

    Whoever makes an environment names it. So no name passes for the id of another one, and where it
    is the name in paths of another one, the form asks for an id.
    """
    given, noun = text.strip(), _NOUNS[resource.schema.name]
    if not given:
        raise Refused("MissingRequired", f"write an {noun}'s name or id", field=field)
    if resource.schema.ref.fullmatch(given):
        return given
    fields = ("name", *_OTHER_NAMES & resource.schema.fields.keys())
    rows = [each for name in fields for each in (await find(opened, resource, (name, given))).rows]
    named = list(dict.fromkeys(str(each["id"]) for each in rows))
    if len(named) > 1:
        several = f"several {noun}s have this name: {', '.join(named)}"
        raise Refused("InvalidReference", several, field=field)
    if named:
        return named[0]
    alike = await find(opened, resource, ("search", given[:_LONGEST]), limit=_MEANT)
    names = [each["name"] for each in alike.rows if given.casefold() in each["name"].casefold()]
    question = f"; do you mean {' or '.join(names)}?" if names else ""
    detail = f"no {noun} has this name or id{question}"
    raise Refused("InvalidReference", detail, field=field)


_NOUNS: Final = {"account": "account", "project": "environment"}
_OTHER_NAMES: Final = frozenset({"slug"})
"""Fields that name a resource too."""
_LONGEST: Final = 255
"""Characters of a pattern that the API takes."""


async def choose(request: web.Request) -> web.Response:
    """The page on which an environment is chosen for the header: by its name, among all. To the
    script of a page, which searches as one types, the list alone."""
    opened, search = await open_page(request), request.query.get("search", "").strip()
    conditions = [("search", search)] if search else []
    found = await find(opened, opened.resources.environments, *conditions)
    alone = "HX-Target" in request.headers
    return opened.render(
        "environment_choice.html" if alone else "environment_choose.html",
        found=found,
        search=search,
        back=local_path(request.query.get("back", "")),
    )


async def suggest(request: web.Request) -> web.Response:
    """The names of a few resources, as options for the field in which a part of one is typed. The
    query has what was typed, whatever the field is called."""
    opened = await open_page(request)
    types = _TYPES[request.match_info["of"]]
    typed = next(iter(request.query.values()), "").strip()
    conditions = [("search", typed)] if typed else []
    options: list[Json] = []
    for name in types:
        resource: Resource[Any] = getattr(opened.resources, name)
        options += (await find(opened, resource, *conditions, limit=OFFERED // len(types))).rows
    return opened.render("options.html", options=options)


_TYPES: Final = {
    "accounts": ("accounts",),
    "environments": ("environments",),
    "actors": ("accounts", "keys"),
    "subjects": ("keys", "environments", "accounts"),
}
"""What may be typed → the types of resource that have such names."""


ROUTES: Final = (
    web.get("/environments/choose", choose),
    web.get(f"/choices/{{of:{'|'.join(_TYPES)}}}", suggest),
)
