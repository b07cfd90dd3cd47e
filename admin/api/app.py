"""The admin API as an aiohttp application: its routes, and what it is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from aiohttp import web

from admin.api import handlers as api
from admin.api import schemas
from admin.api.body import MAX_BODY
from admin.api.connection import set_server_field
from admin.api.handlers import Handlers
from admin.api.hosts import Hosts
from admin.api.middleware import CredentialChecker, Middleware
from admin.api.representations import EndpointOf
from admin.api.resources import Explain, Resources
from admin.api.schemas import Schema
from proxy.domain.clock import now_ms
from proxy.store.protocols import Store

# Rancher's clients write types in any case, singular or plural, and actions after a final slash.
# Case is ASCII's: in Unicode's, `ſ` would be an s too, though not to those who judge paths before.
_VERSION: Final = "/{version:v1|v2-beta}"
_IN_PROJECT: Final = _VERSION + "/{projects:(?ai:projects?)}/{project}"
_END: Final = "{end:/?}"

_TYPES: Final = (
    (schemas.KEY, Handlers(lambda resources: resources.keys)),
    (schemas.ENVIRONMENT, Handlers(lambda resources: resources.environments)),
    (schemas.ACCOUNT, Handlers(lambda resources: resources.accounts)),
    (schemas.MEMBER, Handlers(lambda resources: resources.members)),
    (schemas.SETTING, Handlers(lambda resources: resources.settings)),
    (schemas.PROJECT_TEMPLATE, Handlers(lambda resources: resources.project_templates)),
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
        yield web.post(one, handlers.apply)  # also for the action `update`, which Rancher has
    if "DELETE" in schema.change_methods:
        yield web.delete(one, handlers.delete)
    if schema is schemas.KEY:
        yield web.get(collection + "/{id}/account" + _END, handlers.get_owner)


ROUTES: Final = (
    web.get("/healthz", api.healthz),
    web.get("/readyz", api.readyz),
    web.get("/metrics", api.metrics),
    web.get("/", api.home),
    web.get(_VERSION + _END, api.root),
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
"""Every route of the admin server. aiohttp routes HEAD like GET."""


def create_app(
    *,
    store: Store,
    checker: CredentialChecker,
    endpoint_of: EndpointOf,
    explain: Explain,
    bcrypt_rounds: int,
    ready: Callable[[], bool],
    metrics: Callable[[], bytes],
    hosts: Callable[[], Hosts],
    health: Callable[[], list[str]] = list,
    clock: Callable[[], int] = now_ms,
) -> web.Application:
    """Make the application, for `api.server.AdminServer` to serve.

    `endpoint_of` returns the gateway's public URL, for an environment with the path of that
    environment. `explain` returns what the gateway would decide, `ready` whether requests can be
    answered, `metrics` the node's metrics in Prometheus' text format, `hosts` the names that are
    served now, `health` a line for each thing that does not work now, `clock` milliseconds since
    the epoch.
    """
    middleware = Middleware(checker, hosts)
    app = web.Application(middlewares=[middleware.handle], client_max_size=MAX_BODY)
    resources = Resources(store, clock, bcrypt_rounds, endpoint_of, explain)
    app[api.STATE] = api.AppState(resources, ready, health, metrics, clock)
    app.on_response_prepare.append(set_server_field)
    app.add_routes(ROUTES)
    return app
