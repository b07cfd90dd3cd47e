"""The routes of the admin API. (Tested by the tests of each resource.)"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from aiohttp import web

from admin.api import handlers as api
from admin.api import schemas
from admin.api.handlers import Handlers, RevisionHandlers
from admin.api.paths import VERSION
from admin.api.schemas import Schema
from admin.api.usage import SUBJECTS

# Rancher's clients write types in any case, singular or plural, and actions after a final slash.
# Case is ASCII's: in Unicode's, `ſ` would be an s too, though not to those who judge paths before.
_VERSION: Final = f"/{{version:{VERSION}}}"
_IN_PROJECT: Final = _VERSION + "/{projects:(?ai:projects?)}/{project}"
_END: Final = "{end:/?}"

_TYPES: Final = (
    (schemas.KEY, Handlers(lambda resources: resources.keys)),
    (schemas.ENVIRONMENT, Handlers(lambda resources: resources.environments)),
    (schemas.ACCOUNT, Handlers(lambda resources: resources.accounts)),
    (schemas.MEMBER, Handlers(lambda resources: resources.members)),
    (schemas.SETTING, Handlers(lambda resources: resources.settings)),
    (schemas.UPSTREAM, Handlers(lambda resources: resources.upstreams)),
    (schemas.NODE, Handlers(lambda resources: resources.nodes)),
    (schemas.REVISION, RevisionHandlers(lambda resources: resources.revisions)),
    (schemas.PROJECT_TEMPLATE, Handlers(lambda resources: resources.project_templates)),
    (schemas.WEBHOOK_MESSAGE, Handlers(lambda resources: resources.webhook_messages)),
    (schemas.AUDIT, Handlers(lambda resources: resources.audit_log)),
)


def _routes_of(schema: Schema, handlers: Handlers, base: str) -> Iterator[web.RouteDef]:
    """The routes of one type, under the version or within an environment."""
    collection = f"{base}/{{type:(?ai:{schema.name}s?)}}"
    one = collection + "/{id}" + _END
    yield web.get(collection + _END, handlers.list)
    yield web.get(one, handlers.get)
    if "POST" in schema.change_methods:
        yield web.post(collection + _END, handlers.post)
    if "PUT" in schema.change_methods:
        yield web.put(one, handlers.put)
    if "PUT" in schema.change_methods or schema.actions:
        yield web.post(one, handlers.apply)  # also for the action `update`, which Rancher has
    if "DELETE" in schema.change_methods:
        yield web.delete(one, handlers.delete)
    if schema.name in SUBJECTS:
        yield web.get(collection + "/{id}/usage" + _END, handlers.usage)
    if schema is schemas.KEY:
        yield web.get(collection + "/{id}/advice" + _END, handlers.advice)
        yield web.get(collection + "/{id}/account" + _END, handlers.get_owner)


ROUTES: Final = (
    web.get("/healthz", api.healthz),
    web.get("/readyz", api.readyz),
    web.get("/metrics", api.metrics),
    web.get(_VERSION + _END, api.root),
    web.get(_VERSION + "/{usage:(?ai:usage)}" + _END, api.usage),
    *(
        route
        for base in (_VERSION, _IN_PROJECT)
        for route in (
            web.get(base + "/{schemas:(?ai:schemas?)}" + _END, api.list_schemas),
            web.get(base + "/{schemas:(?ai:schemas?)}/{schema}" + _END, api.get_schema),
        )
    ),
    *(
        route
        for schema, handlers in _TYPES
        for base in ((_VERSION, _IN_PROJECT) if schema.in_environments else (_VERSION,))
        for route in _routes_of(schema, handlers, base)
    ),
)
"""Every route of the admin API. aiohttp routes HEAD like GET."""
