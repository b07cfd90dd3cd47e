"""The office as an aiohttp application: its routes, and what it is made of."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from aiohttp import web

from admin import api
from admin.body import MAX_BODY
from admin.middleware import CredentialChecker, Front
from admin.server import name_server
from admin.service import AccountService, EnvironmentService, KeyService
from proxy.model import Environment
from proxy.store import Store

# Rancher's clients write types in any case, singular or plural, and URLs of actions with a slash.
_VERSION: Final = "/{version:v1|v2-beta}"
_END: Final = "{end:/?}"
_KEYS: Final = "/{keys:(?i:apikeys?)}"
_ACCOUNTS: Final = _VERSION + "/{accounts:(?i:accounts?)}"
_ACCOUNT: Final = _ACCOUNTS + "/{account}"
_PROJECTS: Final = _VERSION + "/{projects:(?i:projects?)}"
_PROJECT: Final = _PROJECTS + "/{project}"

ROUTES: Final = (
    web.get("/healthz", api.healthz),
    web.get("/readyz", api.readyz),
    web.get(_VERSION + _END, api.root),
    *(
        route
        for keys in (_VERSION + _KEYS, _PROJECT + _KEYS)
        for route in (
            web.get(keys + _END, api.list_keys),
            web.post(keys + _END, api.create_key),
            web.get(keys + "/{key}" + _END, api.get_key),
            web.put(keys + "/{key}" + _END, api.edit_key),
            web.post(keys + "/{key}" + _END, api.act_on_key),
            web.delete(keys + "/{key}" + _END, api.remove_key),
            web.get(keys + "/{key}/account" + _END, api.get_key_owner),
        )
    ),
    web.get(_PROJECTS + _END, api.list_environments),
    web.post(_PROJECTS + _END, api.create_environment),
    web.get(_PROJECT + _END, api.get_environment),
    web.put(_PROJECT + _END, api.edit_environment),
    web.post(_PROJECT + _END, api.act_on_environment),
    web.delete(_PROJECT + _END, api.remove_environment),
    web.get(_ACCOUNTS + _END, api.list_accounts),
    web.post(_ACCOUNTS + _END, api.create_account),
    web.get(_ACCOUNT + _END, api.get_account),
    web.put(_ACCOUNT + _END, api.edit_account),
    web.post(_ACCOUNT + _END, api.act_on_account),
    web.delete(_ACCOUNT + _END, api.remove_account),
)
"""Everything that the office answers to. HEAD goes where GET goes."""


def now_ms() -> int:
    """Milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000


def create_app(
    *,
    store: Store,
    checker: CredentialChecker,
    endpoint_of: Callable[[Environment | None], str],
    bcrypt_rounds: int,
    ready: Callable[[], bool],
    clock: Callable[[], int] = now_ms,
    allowed_hosts: frozenset[str] | None = None,
) -> web.Application:
    """Make the office, to be served by `admin.server.OfficeRunner`.

    `endpoint_of` tells the gate's public URL, with an environment the one that its path begins
    with; `ready` whether requests can be answered; `clock` milliseconds since the epoch.
    `allowed_hosts` are the names, in lower case and with or without port, that may stand in Host;
    None: any.
    """
    front = Front(checker, allowed_hosts)
    app = web.Application(middlewares=[front.around], client_max_size=MAX_BODY)
    app[api.OFFICE] = api.Office(
        keys=KeyService(store, clock, bcrypt_rounds),
        environments=EnvironmentService(store, clock),
        accounts=AccountService(store, clock),
        endpoint_of=endpoint_of,
        ready=ready,
    )
    app.on_response_prepare.append(name_server)
    app.add_routes(ROUTES)
    return app
