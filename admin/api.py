"""The handlers of the office's API: read the request, call the service, show what it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from re import Pattern
from typing import Any, Final

from aiohttp import web

from admin.body import body_of
from admin.errors import Refused
from admin.middleware import CALLER, LINKS
from admin.permissions import RIGHT_OF
from admin.schemas import ACCOUNT, ENVIRONMENT, KEY, KEY_REF, REF, Purpose, Schema, settings_in
from admin.service import (
    AccountService,
    Edit,
    EnvironmentService,
    KeyService,
    NewAccount,
    NewEnvironment,
    NewKey,
    View,
)
from admin.wire import (
    account_json,
    collection_json,
    environment_json,
    key_json,
    page_of,
    root_json,
)
from proxy.model import Account, Act, Environment, Key


@dataclass(frozen=True, slots=True)
class Office:
    """What the handlers work with."""

    keys: KeyService
    environments: EnvironmentService
    accounts: AccountService
    endpoint_of: Callable[[Environment | None], str]
    ready: Callable[[], bool]


OFFICE: Final = web.AppKey("office", Office)


# --- what requests say ---------------------------------------------------------------------------


def _number(request: web.Request, name: str, form: Pattern[str]) -> int:
    """The number in an id in the path. Raises `Refused`."""
    match = form.fullmatch(request.match_info[name])
    if match is None:
        raise Refused("NotFound")
    return int(match[1])


def _key(request: web.Request) -> int:
    return _number(request, "key", KEY_REF)


def _environment(request: web.Request) -> int:
    return _number(request, "project", REF)


def _account(request: web.Request) -> int:
    return _number(request, "account", REF)


def _scope(request: web.Request) -> int | None:
    """The environment that the path confines the request to."""
    return _environment(request) if "project" in request.match_info else None


def _action(request: web.Request) -> Act:
    """The act that a POST to a resource names. Raises `Refused`."""
    name = request.query.get("action", "")
    for act in RIGHT_OF:
        if act == name:
            return act
    raise Refused("InvalidAction", field="action")


async def _new(request: web.Request, schema: Schema) -> dict[str, Any]:
    """The values of a resource that is to be made. Raises `Refused`."""
    return settings_in(schema, await body_of(request), Purpose.CREATE)


async def _edit(request: web.Request, schema: Schema, act: Act) -> Edit | None:
    """What `act` sets, None where it is another than to edit. Raises `Refused`.

    Clients send bodies with other acts too; these say nothing, but must be whole.
    """
    body = await body_of(request)
    return settings_in(schema, body, Purpose.UPDATE) if act is Act.UPDATE else None


# --- the version, and health ---------------------------------------------------------------------


async def root(request: web.Request) -> web.Response:
    """The links that everything is found by."""
    return web.json_response(root_json(request[LINKS]))


async def healthz(_: web.Request) -> web.Response:
    """200 as long as the loop runs."""
    return web.Response(text="ok\n")


async def readyz(request: web.Request) -> web.Response:
    """Whether requests can be answered: 200 or 503."""
    if request.app[OFFICE].ready():
        return web.Response(text="ready\n")
    return web.Response(status=503, text="not ready\n")


# --- keys ----------------------------------------------------------------------------------------


def _key_answer(
    request: web.Request, view: View[Key], status: int = 200, secret: str | None = None
) -> web.Response:
    resource = key_json(view, request[LINKS], request.app[OFFICE].endpoint_of, secret)
    return web.json_response(resource, status=status)


async def list_keys(request: web.Request) -> web.Response:
    """A piece of the keys of the scope, else of the caller; of everyone to admins."""
    office, links = request.app[OFFICE], request[LINKS]
    page = page_of(KEY, request.query, links)
    listing = await office.keys.list(request[CALLER], page, _scope(request))
    data = [key_json(view, links, office.endpoint_of) for view in listing.views]
    return web.json_response(collection_json(KEY, listing, data, page, links))


async def create_key(request: web.Request) -> web.Response:
    """A new key: 201, with its secret."""
    caller, scope = request[CALLER], _scope(request)
    values = await _new(request, KEY)
    named = values.pop("accountId", None)
    owner = named or caller.account.id
    try:
        view, secret = await request.app[OFFICE].keys.create(caller, NewKey(**values), owner, scope)
    except Refused as refused:
        if refused.code == "NotFound" and scope is None:
            raise Refused("InvalidReference", field="accountId") from None
        raise
    return _key_answer(request, view, 201, secret)


async def get_key(request: web.Request) -> web.Response:
    """One key."""
    keys = request.app[OFFICE].keys
    return _key_answer(request, await keys.get(request[CALLER], _key(request), _scope(request)))


async def get_key_owner(request: web.Request) -> web.Response:
    """The account or environment that a key belongs to."""
    office, caller = request.app[OFFICE], request[CALLER]
    owner = await office.keys.owner(caller, _key(request), _scope(request))
    if isinstance(owner, Environment):
        return _environment_answer(request, await office.environments.get(caller, owner.id))
    return _account_answer(request, await office.accounts.get(caller, owner.id))


async def edit_key(request: web.Request) -> web.Response:
    """Set a key's name or description."""
    return _key_answer(request, await _act_on_key(request, Act.UPDATE))


async def remove_key(request: web.Request) -> web.Response:
    """Remove an inactive key."""
    return _key_answer(request, await _act_on_key(request, Act.REMOVE))


async def act_on_key(request: web.Request) -> web.Response:
    """Do `?action=…` to a key: 202."""
    return _key_answer(request, await _act_on_key(request, _action(request)), 202)


async def _act_on_key(request: web.Request, act: Act) -> View[Key]:
    keys, caller, scope = request.app[OFFICE].keys, request[CALLER], _scope(request)
    edit = await _edit(request, KEY, act)
    if edit is not None:
        return await keys.edit(caller, _key(request), edit, scope)
    return await keys.act(caller, _key(request), act, scope)


# --- environments --------------------------------------------------------------------------------


def _environment_answer(
    request: web.Request, view: View[Environment], status: int = 200
) -> web.Response:
    resource = environment_json(view, request[LINKS], request.app[OFFICE].endpoint_of)
    return web.json_response(resource, status=status)


async def list_environments(request: web.Request) -> web.Response:
    """A piece of the environments that the caller sees."""
    office, links = request.app[OFFICE], request[LINKS]
    page = page_of(ENVIRONMENT, request.query, links)
    listing = await office.environments.list(request[CALLER], page)
    data = [environment_json(view, links, office.endpoint_of) for view in listing.views]
    return web.json_response(collection_json(ENVIRONMENT, listing, data, page, links))


async def create_environment(request: web.Request) -> web.Response:
    """A new environment, which the caller owns: 201."""
    new = NewEnvironment(**await _new(request, ENVIRONMENT))
    view = await request.app[OFFICE].environments.create(request[CALLER], new)
    return _environment_answer(request, view, 201)


async def get_environment(request: web.Request) -> web.Response:
    """One environment."""
    environments = request.app[OFFICE].environments
    view = await environments.get(request[CALLER], _environment(request))
    return _environment_answer(request, view)


async def edit_environment(request: web.Request) -> web.Response:
    """Set an environment's name or description."""
    return _environment_answer(request, await _act_on_environment(request, Act.UPDATE))


async def remove_environment(request: web.Request) -> web.Response:
    """Remove an inactive environment."""
    return _environment_answer(request, await _act_on_environment(request, Act.REMOVE))


async def act_on_environment(request: web.Request) -> web.Response:
    """Do `?action=…` to an environment: 202."""
    return _environment_answer(request, await _act_on_environment(request, _action(request)), 202)


async def _act_on_environment(request: web.Request, act: Act) -> View[Environment]:
    environments, caller = request.app[OFFICE].environments, request[CALLER]
    edit = await _edit(request, ENVIRONMENT, act)
    if edit is not None:
        return await environments.edit(caller, _environment(request), edit)
    return await environments.act(caller, _environment(request), act)


# --- accounts ------------------------------------------------------------------------------------


def _account_answer(request: web.Request, view: View[Account], status: int = 200) -> web.Response:
    return web.json_response(account_json(view, request[LINKS]), status=status)


async def list_accounts(request: web.Request) -> web.Response:
    """A piece of the accounts that the caller sees."""
    links = request[LINKS]
    page = page_of(ACCOUNT, request.query, links)
    listing = await request.app[OFFICE].accounts.list(request[CALLER], page)
    data = [account_json(view, links) for view in listing.views]
    return web.json_response(collection_json(ACCOUNT, listing, data, page, links))


async def create_account(request: web.Request) -> web.Response:
    """A new account, without a key: 201."""
    new = NewAccount(**await _new(request, ACCOUNT))
    view = await request.app[OFFICE].accounts.create(request[CALLER], new)
    return _account_answer(request, view, 201)


async def get_account(request: web.Request) -> web.Response:
    """One account."""
    accounts = request.app[OFFICE].accounts
    return _account_answer(request, await accounts.get(request[CALLER], _account(request)))


async def edit_account(request: web.Request) -> web.Response:
    """Set an account's name or description."""
    return _account_answer(request, await _act_on_account(request, Act.UPDATE))


async def remove_account(request: web.Request) -> web.Response:
    """Remove an inactive account."""
    return _account_answer(request, await _act_on_account(request, Act.REMOVE))


async def act_on_account(request: web.Request) -> web.Response:
    """Do `?action=…` to an account: 202."""
    return _account_answer(request, await _act_on_account(request, _action(request)), 202)


async def _act_on_account(request: web.Request, act: Act) -> View[Account]:
    accounts, caller = request.app[OFFICE].accounts, request[CALLER]
    edit = await _edit(request, ACCOUNT, act)
    if edit is not None:
        return await accounts.edit(caller, _account(request), edit)
    return await accounts.act(caller, _account(request), act)
