"""The pages of webhooks: which there are, the messages to them, and what became of each.

Of a webhook, only its name is shown: its URL may hold a secret.

Tested in `tests/admin/console/test_webhook_pages.py`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from aiohttp import web

from admin.api.handlers import parse_id
from admin.api.resources import Resources
from admin.api.schemas import WEBHOOK_MESSAGE
from admin.api.values import Purpose, settable_values
from admin.console.base import Page, fields_of, local_path, open_page, see_other
from admin.console.resource_pages import as_refused
from admin.console.table import read_table
from admin.service.errors import Refused
from proxy.domain.errors import WardgateError
from proxy.domain.events import EventType

TABLE: Final = "message"
STATES: Final = (
    ("", "All states"),
    ("waiting", "Waiting"),
    ("delivered", "Delivered"),
    ("failed", "Failed"),
)
LOOKS: Final = {"delivered": "active", "failed": "refused"}
"""State → the class of its label, where it has one."""


class WebhookPages:
    """Handlers, each of which answers with a page. They raise as the resource does."""

    def __init__(self, resources: Resources) -> None:
        self._messages = resources.webhook_messages

    async def index(self, request: web.Request) -> web.Response:
        """The webhooks, and a table of messages."""
        return await self._page(await open_page(request))

    async def test(self, request: web.Request) -> web.Response:
        """Send a test to a webhook, and go on with what becomes of it."""
        opened, form = await open_page(request), await fields_of(request)
        try:
            body = {"webhook": form.get("webhook", "")}
            values = settable_values(WEBHOOK_MESSAGE, body, Purpose.CREATE, opened.now)
            made = await self._messages.create(opened.context, values)
        except WardgateError as error:
            return await self._page(opened, as_refused(error))
        return see_other(f"/webhooks/{made['id']}")

    async def get(self, request: web.Request) -> web.Response:
        """A message, with what is sent and what became of it."""
        opened = await open_page(request)
        view = await self._messages.get(opened.context, _id(request))
        shown = self._messages.show(view, opened.context.links)
        names = self._messages.webhooks(opened.context)
        return opened.render("webhook_message.html", shown=shown, webhooks=names, looks=LOOKS)

    async def retry(self, request: web.Request) -> web.Response:
        """Send a message again that was not delivered."""
        opened, form = await open_page(request), await fields_of(request)
        number = _id(request)
        await self._messages.custom_actions["retry"](opened.context, number, {})
        return see_other(local_path(form.get("back", f"/webhooks/1wm{number}")))

    async def _page(self, opened: Page, refused: Refused | None = None) -> web.Response:
        """The page; `refused` says why a test was not sent."""
        table = await read_table(
            opened, self._messages, TABLE, (), STATES, by=("webhook", "event", "state")
        )
        alone = opened.request.headers.get("HX-Target") == f"table-{TABLE}"
        return opened.render(
            "webhook_table.html" if alone else "webhooks.html",
            opened.status(refused),
            table=replace(table, path="/webhooks"),  # also where a test was refused
            webhooks=self._messages.webhooks(opened.context),
            events=list(EventType),
            looks=LOOKS,
            refused=refused,
        )

    def routes(self) -> list[web.RouteDef]:
        """The routes of its pages."""
        one = "/webhooks/{id:1wm[0-9]+}"
        return [
            web.get("/webhooks", self.index),
            web.post("/webhooks/test", self.test),
            web.get(one, self.get),
            web.post(f"{one}/retry", self.retry),
        ]


def _id(request: web.Request) -> int:
    """The number of the message in the path. Raises `Refused`."""
    number: int = parse_id(WEBHOOK_MESSAGE, request.match_info["id"])
    return number
