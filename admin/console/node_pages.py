"""The pages of nodes: how far each is, whether a change holds on all of them, and the question
before one that is dead is forgotten.

They do not refresh by themselves: that would keep a session alive that nobody uses.

Tested in `tests/admin/console/test_node_pages.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from aiohttp import web
from yarl import URL

from admin.api.handlers import STATE, parse_id
from admin.api.middleware import CALLER
from admin.api.representations import Json
from admin.api.resources import Resources
from admin.api.schemas import NODE, REVISION
from admin.console.base import CHANGED, fields_of, open_page, see_other
from proxy.store.query import Query

PATIENCE: Final = 0.5
"""Seconds for which the page of a change waits: usually it holds everywhere by then."""


class Word(NamedTuple):
    """What a state is called, the class of its label, and what it means for requests."""

    text: str
    look: str = "expired"
    about: str = ""


STATES: Final[Mapping[str, Word]] = {
    "active": Word("Active", "active"),
    "settled": Word("Holds", "active"),
    "pending": Word("Pending", about="It may go by what was before"),
    "lapsed": Word("Lapsed", "refused", "It permits nothing before it has caught up"),
    "left": Word("Left", "", "It has ended, or was said to be dead"),
}


class NodePages:
    """Handlers, each of which answers with a page. They raise as the resources do."""

    def __init__(self, resources: Resources) -> None:
        self._nodes = resources.nodes
        self._revisions = resources.revisions

    async def index(self, request: web.Request) -> web.Response:
        """All nodes."""
        opened = await open_page(request)
        listing = await self._nodes.list(opened.context, Query())
        nodes = [self._nodes.show(view, opened.context.links) for view in listing.views]
        return opened.render("nodes.html", nodes=nodes, states=STATES)

    async def ask(self, request: web.Request) -> web.Response:
        """What it means to forget a node, before it is done."""
        opened = await open_page(request)
        view = await self._nodes.get(opened.context, parse_id(NODE, request.match_info["name"]))
        node = self._nodes.show(view, opened.context.links)
        return opened.render("node_forget.html", node=node)

    async def forget(self, request: web.Request) -> web.Response:
        """Forget a node that is dead."""
        opened, _ = await open_page(request), await fields_of(request)
        name = parse_id(NODE, request.match_info["name"])
        await self._nodes.custom_actions["forget"](opened.context, name, {"dead": True})
        return see_other("/nodes")

    async def change(self, request: web.Request) -> web.Response:
        """How far a change is."""
        opened = await open_page(request)
        number = parse_id(REVISION, request.match_info["number"])
        view = await self._revisions.wait(opened.context, number, PATIENCE)
        shown = self._revisions.show(view, opened.context.links)
        return opened.render(
            "change.html", shown=shown, summary=summary(shown["nodes"]), states=STATES
        )

    def routes(self) -> list[web.RouteDef]:
        """The routes of its pages."""
        return [
            web.get("/nodes", self.index),
            web.get("/nodes/{name}/forget", self.ask),
            web.post("/nodes/{name}/forget", self.forget),
            web.get("/changes/{number}", self.change),
        ]


def summary(nodes: Sequence[Json]) -> str:
    """On how many nodes a change holds, in words."""
    counted = [each for each in nodes if each["state"] != "left"]
    pending = [each for each in counted if each["state"] == "pending"]
    if not pending:
        return "It holds on all nodes: no request goes by what was before."
    held, last = len(counted) - len(pending), max(each["seconds"] for each in pending)
    which = "The other one" if len(pending) == 1 else "The last of the others"
    return (
        f"It holds on {held} of {len(counted)} nodes. {which} permits nothing any more in "
        f"{last} s, if it has not been heard of by then."
    )


def with_change(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """What follows after a change, told to say which change that was, where there are nodes on
    which it may not hold yet."""
    made = request[CALLER].revisions
    if made and response.status == 303 and request.app[STATE].resources.nodes.shared:
        there = URL(response.headers["Location"]).update_query({CHANGED: str(made[-1])})
        response.headers["Location"] = str(there)
    return response
