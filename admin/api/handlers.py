"""The handlers of the admin API: each reads a request, calls a resource, and answers with JSON.

The same few handlers serve every type of resource; a `Resource` holds what is particular to one.
(Tested by the tests of each resource, and by tests/admin/api/test_app.py and test_schema_json.py.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from weakref import WeakValueDictionary

from aiohttp import web

from admin.api.advice import advice_json, parse_days
from admin.api.body import body_of
from admin.api.listing import PAGE_LIMIT, collection_json, parse_list_request
from admin.api.middleware import CALLER
from admin.api.nodes import parse_wait
from admin.api.representations import root_json
from admin.api.resources import RequestContext, Resource, Resources
from admin.api.responses import LINKS, JsonAnswer, wants_page
from admin.api.schema_json import find_schema, schemas_json
from admin.api.schemas import ENVIRONMENT, Kind, Schema
from admin.api.usage import SUBJECTS, key_refs, parse_usage_request, usage_json
from admin.api.values import Purpose, settable_values
from admin.service import Caller, Grants
from admin.service.errors import Refused, no_environment
from admin.service.permissions import Standing, Subject, general_standing
from proxy.domain.model import Action


@dataclass(frozen=True, slots=True)
class AppState:
    """What the handlers need, kept in the application."""

    resources: Resources
    ready: Callable[[], bool]
    """Whether requests can be answered."""
    health: Callable[[], list[str]]
    """A line for each thing that does not work at the moment."""
    metrics: Callable[[], bytes]
    """The node's metrics, in Prometheus' text format."""
    clock: Callable[[], int]
    """Milliseconds since the epoch."""
    lists: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    """By the ids of accounts and environments on the wire, what `turn` returns."""

    def turn(self, caller: Caller) -> asyncio.Lock:
        """What lets the keys of the caller's owner read one list, report or page at a time, so that
        others wait for one of theirs at most."""
        return self.lists.setdefault(caller.owner.ref, asyncio.Lock())


STATE: Final = web.AppKey("state", AppState)


# --- reading requests ----------------------------------------------------------------------------


async def _context(request: web.Request) -> RequestContext:
    """What every handler needs. Raises `Refused` where the path names an environment that the
    caller may not see."""
    name = request.match_info.get("project")
    scope = None if name is None else parse_id(ENVIRONMENT, name)
    context = RequestContext(request[CALLER], request[LINKS], scope)
    if scope is not None:
        await request.app[STATE].resources.environments.get(context, scope)
    return context


def parse_id(schema: Schema, text: str) -> Any:
    """An id of the API as the domain has it: a number, or the name of a setting or an upstream,
    which may hold digits alone. Raises `Refused`."""
    match = schema.ref.fullmatch(text)
    if match is None:
        raise no_environment(text) if schema is ENVIRONMENT else Refused("NotFound")
    is_number = schema.fields["id"].kind is Kind.REFERENCE and match[1].isdigit()
    return int(match[1]) if is_number else match[1]


async def _values(
    request: web.Request, resource: Resource[Any], purpose: Purpose
) -> dict[str, Any]:
    body, now = await body_of(request), request.app[STATE].clock()
    return settable_values(resource.schema, body, purpose, now)


# --- the version, schemas, health ----------------------------------------------------------------


async def root(request: web.Request) -> web.Response:
    """The links to all collections."""
    return JsonAnswer(root_json(request[LINKS]))


async def list_schemas(request: web.Request) -> web.Response:
    """All schemas, cut to what the caller may do."""
    links = request[LINKS]
    return JsonAnswer(
        {
            "type": "collection",
            "resourceType": "schema",
            "links": {"self": links.schemas},
            "createTypes": {},
            "actions": {},
            "data": schemas_json(await grants_of(request), links),
            "pagination": None,
            "sort": None,
            "filters": {},
            "createDefaults": {},
        },
    )


async def get_schema(request: web.Request) -> web.Response:
    """One schema, by its name: singular or plural, in any case."""
    schemas = schemas_json(await grants_of(request), request[LINKS])
    schema = find_schema(schemas, request.match_info["schema"])
    if schema is None:
        raise Refused("NotFound")
    return JsonAnswer(schema)


async def grants_of(request: web.Request) -> Grants:
    """The most that the caller may do with each type. Raises `Refused`."""
    return await request.app[STATE].resources.grants(await _context(request))


async def usage(request: web.Request) -> web.Response:
    """The usage of all requests, for whoever may see the audit log."""
    return await _report(request, await _context(request), Subject.AUDIT, None)


async def _report(
    request: web.Request, context: RequestContext, subject: Subject, subject_id: int | None
) -> web.Response:
    """A report on the usage of `subject`, which `UsageService.report` explains."""
    state = request.app[STATE]
    wanted = parse_usage_request(request.query, state.clock())
    async with state.turn(context.caller):
        rows = await state.resources.usage.report(
            context.caller,
            subject,
            subject_id,
            wanted.start,
            wanted.end,
            wanted.by,
            context.scope,
        )
    url = f"{context.links.origin}{request.path.rstrip('/')}"
    found = await state.resources.names_of(context, key_refs(rows, wanted.by))
    names = {ref: each.text for ref, each in found.items()}
    return JsonAnswer(usage_json(rows, wanted, url, names))


async def healthz(_: web.Request) -> web.Response:
    """200 for as long as the event loop runs."""
    return web.Response(text="ok\n")


async def readyz(request: web.Request) -> web.Response:
    """Whether requests can be answered: 200 or 503. For keys of admin and readAdmin accounts also
    what does not work."""
    state, caller = request.app[STATE], request.get(CALLER)
    ready = state.ready()
    lines = ["ready" if ready else "not ready"]
    if caller is not None and general_standing(caller.owner) is not Standing.NONE:
        lines += state.health()
    return web.Response(status=200 if ready else 503, text="".join(f"{line}\n" for line in lines))


async def metrics(request: web.Request) -> web.Response:
    """The node's metrics, for keys of admin and readAdmin accounts."""
    if general_standing(request[CALLER].owner) is Standing.NONE:
        raise Refused("Forbidden")
    text = request.app[STATE].metrics()
    return web.Response(body=text, headers={"Content-Type": "text/plain; version=0.0.4"})


# --- resources -----------------------------------------------------------------------------------


class Handlers:
    """The handlers for one type of resource."""

    def __init__(self, resource_of: Callable[[Resources], Resource[Any]]) -> None:
        self._resource_of = resource_of

    def _resource(self, request: web.Request) -> Resource[Any]:
        return self._resource_of(request.app[STATE].resources)

    async def list(self, request: web.Request) -> web.Response:
        """A page of the collection."""
        resource, context = self._resource(request), await _context(request)
        now = request.app[STATE].clock()
        parameters = list(request.query.items())
        if wants_page(request) and "limit" not in request.query:
            parameters.append(("limit", str(PAGE_LIMIT)))
        wanted = parse_list_request(resource.schema, parameters, context.links, now)
        async with request.app[STATE].turn(context.caller):
            listing = await resource.list(context, wanted.query)
        data = [resource.show(view, context.links) for view in listing.views]
        return JsonAnswer(collection_json(resource.schema, listing, data, wanted, context.links))

    async def post(self, request: web.Request) -> web.Response:
        """Create a resource: 201. With `?action=…`, do an action on the collection."""
        resource, context = self._resource(request), await _context(request)
        action = request.query.get("action")
        if action is None:
            values = await _values(request, resource, Purpose.CREATE)
            return JsonAnswer(await resource.create(context, values), 201)
        if action not in resource.schema.collection_actions:
            raise Refused("InvalidAction", field="action")
        values = await _values(request, resource, Purpose.IMPORT)
        status = 200 if values.get("dryRun") else 201
        return JsonAnswer(await resource.import_(context, values), status)

    async def get(self, request: web.Request) -> web.Response:
        """One resource."""
        resource, context = self._resource(request), await _context(request)
        view = await resource.get(context, self._resource_id(request))
        return JsonAnswer(resource.show(view, context.links))

    async def put(self, request: web.Request) -> web.Response:
        """Set fields of a resource."""
        resource, context = self._resource(request), await _context(request)
        view = await resource.edit(
            context, self._resource_id(request), await _values(request, resource, Purpose.UPDATE)
        )
        return JsonAnswer(resource.show(view, context.links))

    async def delete(self, request: web.Request) -> web.Response:
        """Remove a resource."""
        resource, context = self._resource(request), await _context(request)
        await body_of(request)  # It is ignored, but must be complete and well formed.
        view = await resource.apply(context, self._resource_id(request), Action.REMOVE)
        return JsonAnswer(resource.show(view, context.links))

    async def apply(self, request: web.Request) -> web.Response:
        """Do `?action=…` on a resource: 202."""
        resource, context = self._resource(request), await _context(request)
        resource_id, action = self._resource_id(request), request.query.get("action", "")
        if action == Action.UPDATE:
            view = await resource.edit(
                context, resource_id, await _values(request, resource, Purpose.UPDATE)
            )
            return JsonAnswer(resource.show(view, context.links), 202)
        body = await body_of(request)
        custom = resource.custom_actions.get(action)
        if custom is not None:
            return JsonAnswer(await custom(context, resource_id, body), 202)
        if action not in {*resource.schema.actions, Action.REMOVE}:
            raise Refused("InvalidAction", field="action")
        view = await resource.apply(context, resource_id, Action(action))
        return JsonAnswer(resource.show(view, context.links), 202)

    async def usage(self, request: web.Request) -> web.Response:
        """A report on what a resource was used for."""
        schema = self._resource(request).schema
        context, subject_id = await _context(request), self._resource_id(request)
        return await _report(request, context, SUBJECTS[schema.name], subject_id)

    async def advice(self, request: web.Request) -> web.Response:
        """What a key was used for, and the limits that would have sufficed."""
        state, context = request.app[STATE], await _context(request)
        days = parse_days(request.query)
        async with state.turn(context.caller):
            advice = await state.resources.advice.advise(
                context.caller, self._resource_id(request), days, context.scope
            )
        return JsonAnswer(advice_json(advice, context.links))

    async def get_owner(self, request: web.Request) -> web.Response:
        """The account or environment that a key belongs to."""
        resources = request.app[STATE].resources
        return JsonAnswer(
            await resources.owner_of(await _context(request), self._resource_id(request))
        )

    def _resource_id(self, request: web.Request) -> Any:
        return parse_id(self._resource(request).schema, request.match_info["id"])


class RevisionHandlers(Handlers):
    """The handlers for revisions."""

    async def get(self, request: web.Request) -> web.Response:
        """How far a change is; with `?wait=`, once it holds everywhere or the time is over."""
        resource, context = request.app[STATE].resources.revisions, await _context(request)
        seconds = parse_wait(request.query)
        view = await resource.wait(context, self._resource_id(request), seconds)
        return JsonAnswer(resource.show(view, context.links))
