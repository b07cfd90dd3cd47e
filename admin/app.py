"""The admin server as an aiohttp application: the admin API and the console over one store."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aiohttp import web

from admin.api import handlers as api
from admin.api.body import MAX_BODY
from admin.api.connection import set_server_field
from admin.api.hosts import Hosts
from admin.api.middleware import CredentialChecker, Middleware
from admin.api.representations import EndpointOf
from admin.api.resources import Explain, Resources
from admin.api.routes import ROUTES
from admin.console.app import Console
from admin.console.oidc_pages import OIDC, OidcPages
from admin.console.open_forms import FORMS, OpenForms
from admin.service import Place
from admin.service.sessions import SessionService
from proxy.auth.explain import Look
from proxy.cluster.waiter import Waiter
from proxy.config.oidc import Oidc
from proxy.domain.clock import now_ms
from proxy.store.protocols import Store
from proxy.targets.status import UpstreamStatus


def create_app(
    *,
    store: Store,
    checker: CredentialChecker,
    endpoint_of: EndpointOf,
    explain: Explain,
    look: Look,
    waiter: Waiter,
    bcrypt_rounds: int,
    ready: Callable[[], bool],
    metrics: Callable[[], bytes],
    hosts: Callable[[], Hosts],
    health: Callable[[], list[str]] = list,
    oidc: Callable[[], Oidc | None] = lambda: None,
    webhooks: Callable[[], Sequence[str]] = tuple,
    routes: Callable[[], Sequence[Place]] = tuple,
    upstreams: Callable[[], Sequence[UpstreamStatus]] = tuple,
    usage_days: int = 90,
    clock: Callable[[], int] = now_ms,
    is_trusted: Callable[[str], bool] = lambda _: False,
) -> web.Application:
    """Make the application, for `api.server.AdminServer` to serve.

    `endpoint_of` returns the gateway's public URL, for an environment with the path of that
    environment. `explain` returns what the gateway would decide, `look` what is left of limits,
    `waiter` how far all nodes are, `ready` whether requests can be answered, `metrics` the node's
    metrics in Prometheus' text format, `hosts` the names that are served now, `health` a line for
    each thing that does not work now, `oidc` the settings of login with OpenID Connect as they are
    now, `webhooks` the names of those configured now, `routes` those of the configuration in use,
    `upstreams` what is known of the upstreams, `clock` milliseconds since the epoch, `is_trusted`
    whether a peer with an address is a trusted proxy. Usage is kept for `usage_days` days.
    """
    resources = Resources(
        store,
        clock,
        bcrypt_rounds,
        endpoint_of,
        explain,
        look,
        waiter,
        webhooks,
        routes,
        upstreams,
        usage_days,
    )
    sessions = SessionService(store, clock, oidc)
    oidc_pages = OidcPages(sessions, oidc, clock)
    console = Console(resources, sessions, checker, oidc_pages)
    middleware = Middleware(checker, hosts, sessions, console, is_trusted)
    app = web.Application(middlewares=[middleware.handle], client_max_size=MAX_BODY)
    app[api.STATE] = api.AppState(resources, ready, health, metrics, clock)
    app[FORMS] = OpenForms()
    app[OIDC] = oidc_pages
    app.on_response_prepare.append(set_server_field)
    app.add_routes(ROUTES)
    app.add_routes(console.routes)
    return app
