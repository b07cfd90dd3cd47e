"""Messages to webhooks as a resource. (Tested by tests/admin/api/test_webhook_messages.py.)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from admin.api import schemas
from admin.api.representations import Json, Links, webhook_message_json
from admin.api.resources.base import RequestContext, Resource
from admin.service import Listing, View, WebhookMessage, WebhookService
from proxy.store.query import Query


class WebhookMessageResource(Resource[WebhookMessage]):
    """Messages to webhooks. To create one is to send a test."""

    schema = schemas.WEBHOOK_MESSAGE

    def __init__(self, webhooks: WebhookService) -> None:
        self._webhooks = webhooks
        self.custom_actions = {"retry": self._retry}

    def webhooks(self, context: RequestContext) -> Sequence[str]:
        """The names of the webhooks that are configured now. Raises `Refused`."""
        return self._webhooks.configured(context.caller)

    async def list(self, context: RequestContext, query: Query) -> Listing[WebhookMessage]:
        return await self._webhooks.list(context.caller, query)

    async def get(self, context: RequestContext, resource_id: int) -> View[WebhookMessage]:
        return await self._webhooks.get(context.caller, resource_id)

    async def create(self, context: RequestContext, values: dict[str, Any]) -> Json:
        view = await self._webhooks.test(context.caller, values["webhook"])
        return self.show(view, context.links)

    async def _retry(
        self, context: RequestContext, resource_id: int, _: Mapping[str, object]
    ) -> Json:
        return self.show(await self._webhooks.retry(context.caller, resource_id), context.links)

    def show(self, view: View[WebhookMessage], links: Links) -> Json:
        return webhook_message_json(view, links)
