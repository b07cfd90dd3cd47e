"""What every page has: who is logged in, what its role may see, and the chosen environment.

Tested by the tests of each page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

from admin.api.form import form_of
from admin.api.handlers import STATE
from admin.api.login import cookie_of
from admin.api.middleware import CALLER, LOGIN
from admin.api.representations import Json
from admin.api.resources import RequestContext, Resources
from admin.api.responses import LINKS
from admin.api.schemas import REF, REVISION
from admin.console.open_forms import FORMS, Holder
from admin.console.rendering import page
from admin.service import Grants
from admin.service.errors import Refused
from admin.service.permissions import Right, Standing, Subject, general_standing
from proxy.domain.model import Account, State
from proxy.domain.session import COOKIE
from proxy.store.query import Query

ENVIRONMENT: Final = f"{COOKIE}-environment"
"""The cookie that holds the id of the environment chosen in the header."""

OFFERED: Final = 20
"""Environments or accounts among which a choice offers to choose; others are found by a search."""

_LOCAL: Final = re.compile(
    r"/(?!/|log(?:in|out)(?:[/?#]|\Z))[\x21-\x5b\x5d-\x7e]{0,2000}"
).fullmatch
"""Browsers take `//` and `/\\` for the beginning of another host's URL."""

_OF_ALL: Final = (
    ("/overview", "Overview"),
    ("/keys", "API keys"),
    ("/environments", "Environments"),
)
_OF_ADMINS: Final = (
    ("/accounts", "Accounts"),
    ("/upstreams", "Upstreams"),
    ("/webhooks", "Webhooks"),
    ("/audit", "Audit log"),
    ("/settings", "Settings"),
)
"""Sections of what belongs to everybody."""
_OF_NODES: Final = (("/nodes", "Nodes"),)
"""The same, where several nodes may share the store."""
CHANGED: Final = "changed"
"""In the URL of a page: the number of a change that was made just now."""


@dataclass(frozen=True, slots=True)
class Page:
    """A request for a page of someone who has logged in."""

    request: web.Request
    context: RequestContext
    resources: Resources
    grants: Grants
    now: int
    """Milliseconds since the epoch."""
    environments: Sequence[Json]
    """The first few that the caller reaches, by name."""
    more_environments: bool
    """Whether there are others."""
    chosen: Json | None
    """The environment that is chosen in the header, by default the first one."""

    @property
    def owner(self) -> Account:
        """The account that has logged in."""
        owner = self.context.caller.owner
        assert isinstance(owner, Account)
        return owner

    @property
    def administers(self) -> bool:
        """Whether the caller sees what belongs to everybody, as administrators do."""
        return general_standing(self.owner) is not Standing.NONE

    @property
    def sections(self) -> Sequence[tuple[str, str]]:
        """The sections of the console: (path, text)."""
        if not self.administers:
            return _OF_ALL
        return _OF_ALL + _OF_ADMINS + (_OF_NODES if self.resources.nodes.shared else ())

    @property
    def changed(self) -> str | None:
        """The number of a change that was made just now, and may not hold on all nodes yet."""
        made = self.context.caller.revisions
        number = str(made[-1]) if made else self.request.query.get(CHANGED, "")
        known = REVISION.ref.fullmatch(number) and self.resources.nodes.shared
        return number if known else None

    def may(self, right: Right, subject: Subject) -> bool:
        """Whether the caller has a right to some subject of this type."""
        return right in self.grants[subject]

    def status(self, refused: Refused | None) -> int:
        """The status of a page with a form: that of what `refused` the form which was sent. What is
        said on a page that is only opened is no error of the request."""
        return 200 if refused is None or self.request.method != "POST" else refused.status

    def form_token(self, path: str) -> str:
        """A token for a form that is sent to `path` and counts once."""
        return self.request.app[FORMS].token(Holder.of(self.request), path)

    def use_form(self, form: Mapping[str, str]) -> None:
        """Use the token of the form that is sent. Raises `Refused` where it counts no more."""
        holder = Holder.of(self.request)
        self.request.app[FORMS].use(holder, self.request.path, form.get("form", ""))

    def render(self, template: str, status: int = 200, **values: Any) -> web.Response:
        """The page of a template, with what the header needs."""
        header: dict[str, Any] = {
            "owner": self.owner,
            "caller": self.context.caller,
            "csrf": self.request[LOGIN].csrf,
            "sections": self.sections,
            "changed": self.changed,
            "path": self.request.path,
            "back": self.request.path,
            "now": self.now,
            "environments": self.environments,
            "more_environments": self.more_environments,
            "chosen": self.chosen,
            "place": None,
        }
        return page(template, status, **(header | values))


async def open_page(request: web.Request, environment: str = "") -> Page:
    """What a page needs. `environment` is the id of one to choose in place of that in the cookie.
    Raises `Refused` for a request without a login."""
    if LOGIN not in request:
        raise Refused("Unauthorized")
    state = request.app[STATE]
    resources = state.resources
    context = RequestContext(request[CALLER], request[LINKS], None)
    listing = await resources.environments.list(context, Query("name", limit=OFFERED))
    first = [resources.environments.show(view, context.links) for view in listing.views]
    wanted = environment or cookie_of(request, ENVIRONMENT) or ""
    chosen = await _environment(context, resources, first, wanted)
    if chosen is not None and chosen not in first:
        first = [chosen, *first[: OFFERED - 1]]
    return Page(
        request,
        context,
        resources,
        await resources.grants(context),
        state.clock(),
        first,
        listing.next is not None,
        chosen,
    )


async def _environment(
    context: RequestContext, resources: Resources, first: Sequence[Json], wanted: str
) -> Json | None:
    """The environment with the id `wanted`, where the caller reaches it; else the first one."""
    found = next((each for each in first if each["id"] == wanted), None)
    match = REF.fullmatch(wanted)
    if found is None and match is not None:
        with suppress(Refused):
            view = await resources.environments.get(context, int(match[1]))
            if view.record.state in {State.ACTIVE, State.INACTIVE}:
                found = resources.environments.show(view, context.links)
    return found or next(iter(first), None)


async def fields_of(request: web.Request) -> dict[str, str]:
    """The form of a request, without the token."""
    return {name: value for name, value in (await form_of(request)).items() if name != "csrf"}


def see_other(url: str) -> web.Response:
    """Go on with a page, after a change."""
    return web.Response(status=303, headers={"Location": url})


AFTER: Final = "after-login"
"""In the URL of the login page: there was a login just now."""


def after_login(following: str) -> str:
    """What a login goes on with: the login page, which goes on to `following`, and says so where
    the browser did not keep the cookie."""
    return f"/login?{urlencode({AFTER: '', 'next': following})}"


def local_path(url: str) -> str:
    """A page of this server to go on with: `url` where it is a plain path, perhaps with a query.
    Never another host's, nor one that would end the login or ask for it again."""
    return url if _LOCAL(url) else "/"
