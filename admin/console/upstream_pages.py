"""The page of the upstreams, with the state of each target: as they are when it is opened.

It does not refresh by itself: that would keep a session alive that nobody uses.

Tested in `tests/admin/console/test_upstream_pages.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from aiohttp import web

from admin.api.representations import Json
from admin.api.resources import Resources
from admin.console.base import open_page
from admin.console.usage_view import EXPLANATIONS
from proxy.store.query import Query

SHOWN: Final = 50
"""Upstreams on the page; a search finds the others."""
SEARCHED: Final = 5
"""From more upstreams than these on, the page has a search."""
UNWELL: Final = "unwell"
"""In the URL: only upstreams that have a problem."""


class Word(NamedTuple):
    """What a state is called, the class of its label, and what it means for requests."""

    text: str
    look: str = "expired"
    about: str = ""


UPSTREAMS: Final[Mapping[str, Word]] = {
    "up": Word("Up", "active"),
    "degraded": Word("Degraded"),
    "down": Word("Down", "refused"),
    "open": Word("Circuit open", "refused"),
}
TARGETS: Final[Mapping[str, Word]] = {
    "up": Word("Up", "active"),
    "failing": Word("Failing", about="Its last request failed"),
    "starting": Word("Slow start", "active", "It is back, and its share of the requests grows"),
    "down": Word("Unhealthy", "refused", "Its checks fail, so it gets no requests"),
    "ejected": Word("Ejected", "refused", "Requests failed in a row, so it gets none for a while"),
    "trial": Word("On trial", about="It was ejected, and gets one request at a time"),
}
BREAKERS: Final[Mapping[str, str]] = {
    "closed": "closed",
    "open": "open: requests get 503 at once",
    "half-open": "half-open: one request at a time is tried",
}


@dataclass(frozen=True, slots=True)
class FoundUpstreams:
    """What the page shows."""

    search: str
    unwell: bool
    """Whether only those are wanted that have a problem."""
    every: Sequence[Json]
    found: Sequence[Json]
    """Those that fit the search: first those with a problem, each in the configuration's order."""

    @property
    def shown(self) -> Sequence[Json]:
        """The first few of those that were found."""
        return self.found[:SHOWN]

    @property
    def searched(self) -> bool:
        """Whether the page has a search."""
        return len(self.every) > SEARCHED or bool(self.search) or self.unwell

    @property
    def summary(self) -> str:
        """How many there are and how many have a problem, in words."""
        count, ill = len(self.every), sum(map(_is_unwell, self.every))
        text = "1 upstream" if count == 1 else f"{count} upstreams"
        if ill:
            text += f", {ill} with problems"
        elif count:
            text += ", all up" if count > 1 else ", up"
        if self.search or self.unwell:
            text += f"; {len(self.found)} found"
        return text if len(self.found) <= SHOWN else f"{text}; the first {SHOWN} are shown"


class UpstreamPages:
    """The upstreams and their targets."""

    def __init__(self, resources: Resources) -> None:
        self._upstreams = resources.upstreams

    async def index(self, request: web.Request) -> web.Response:
        """All of them, or those that a search finds."""
        opened = await open_page(request)
        listing = await self._upstreams.list(opened.context, Query())
        every = [self._upstreams.show(view, opened.context.links) for view in listing.views]
        return opened.render(
            "upstreams.html",
            upstreams=found_upstreams(every, request.query),
            states=UPSTREAMS,
            targets=TARGETS,
            breakers=BREAKERS,
            explanations=EXPLANATIONS,
            unwell=UNWELL,
        )

    def routes(self) -> list[web.RouteDef]:
        """The routes of its page."""
        return [web.get("/upstreams", self.index)]


def found_upstreams(every: Sequence[Json], query: Mapping[str, str]) -> FoundUpstreams:
    """The upstreams whose name, its name in the DNS, or the URL of a target has what the URL's
    `search` says."""
    search, unwell = query.get("search", "").strip(), query.get("state") == UNWELL

    def fits(each: Json) -> bool:
        texts = [each["name"], *(target["url"] for target in each["targets"])]
        if each["lookup"] is not None:
            texts.append(each["lookup"]["name"])
        return any(search.lower() in text.lower() for text in texts)

    found = [
        {**each, "targets": _unwell_first(each["targets"])}
        for each in _unwell_first(every)
        if fits(each) and (_is_unwell(each) or not unwell)
    ]
    return FoundUpstreams(search, unwell, every, found)


def _unwell_first(every: Sequence[Json]) -> list[Json]:
    """First what is not well, each in its order: a name may resolve to hundreds of targets."""
    return sorted(every, key=_is_unwell, reverse=True)


def _is_unwell(shown: Json) -> bool:
    """Whether an upstream or a target is not up, or the name of an upstream cannot be looked up."""
    lookup = shown.get("lookup")
    return shown["state"] != "up" or (lookup is not None and lookup["reason"] is not None)
