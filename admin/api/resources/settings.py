"""Settings as a resource. (Tested by tests/admin/api/test_settings.py.)"""

from __future__ import annotations

from typing import Any

from admin.api import schemas
from admin.api.representations import Json, Links, setting_json
from admin.api.resources.base import RequestContext, Resource, required
from admin.service import Listing, SettingService, SettingValue, View
from proxy.store.query import Query


class SettingResource(Resource[SettingValue]):
    """Settings. They are few, and none can be created or removed."""

    schema = schemas.SETTING

    def __init__(self, settings: SettingService) -> None:
        self._settings = settings

    async def list(self, context: RequestContext, query: Query) -> Listing[SettingValue]:
        return Listing(await self._settings.list(context.caller))

    async def get(self, context: RequestContext, resource_id: str) -> View[SettingValue]:
        return await self._settings.get(context.caller, resource_id)

    async def edit(
        self, context: RequestContext, resource_id: str, values: dict[str, Any]
    ) -> View[SettingValue]:
        return await self._settings.edit(context.caller, resource_id, required(values, "value"))

    def show(self, view: View[SettingValue], links: Links) -> Json:
        return setting_json(view, links)
