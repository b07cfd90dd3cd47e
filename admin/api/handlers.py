"""The handlers of the admin API: read the request, call the service, show what it answers.

The same few handlers serve every type of resource; a `Resource` says what is particular to one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from admin.api.body import body_of
from admin.api.listing import asked, collection_json
from admin.api.middleware import CALLER
from admin.api.representations import root_json
from admin.api.resources import Ask, Resource, Resources
from admin.api.responses import LINKS, answer
from admin.api.schema_json import named, schemas_json
from admin.api.schemas import REF, Purpose, settable_values
from admin.service import Grants
from admin.service.errors import Refused
from admin.service.permissions import Standing, general_standing
from proxy.domain.model import Action


@dataclass(frozen=True, slots=True)
class ApiContext:
    """What the handlers work with."""

    resources: Resources
    ready: Callable[[], bool]
    metrics: Callable[[], bytes]
    clock: Callable[[], int]


CONTEXT: Final = web.AppKey("context", ApiContext)


# --- what requests say ---------------------------------------------------------------------------


def _ask(request: web.Request) -> Ask:
    scope = request.match_info.get("project")
    return Ask(request[CALLER], request[LINKS], None if scope is None else _id(REF, scope))


def _id(form: Any, text: str) -> Any:
    """What stands for a resource in the domain: its number, or a setting's name. Raises
    `Refused`."""
    match = form.fullmatch(text)
    if match is None:
        raise Refused("NotFound")
    return int(match[1]) if match[1].isdigit() else match[1]


async def _values(
    request: web.Request, resource: Resource[Any], purpose: Purpose
) -> dict[str, Any]:
    return settable_values(resource.schema, await body_of(request), purpose)


# --- the version, schemas, health ----------------------------------------------------------------


async def root(request: web.Request) -> web.Response:
    """The links that everything is found by."""
    return answer(request, root_json(request[LINKS]))


async def list_schemas(request: web.Request) -> web.Response:
    """All schemas, cut to the caller."""
    links = request[LINKS]
    return answer(
        request,
        {
            "type": "collection",
            "resourceType": "schema",
            "links": {"self": links.schemas},
            "createTypes": {},
            "actions": {},
            "data": schemas_json(await _grants(request), links),
            "pagination": None,
            "sort": None,
            "filters": {},
            "createDefaults": {},
        },
    )


async def get_schema(request: web.Request) -> web.Response:
    """One schema, by its name in any form."""
    schemas = schemas_json(await _grants(request), request[LINKS])
    schema = named(schemas, request.match_info["schema"])
    if schema is None:
        raise Refused("NotFound")
    return answer(request, schema)


async def _grants(request: web.Request) -> Grants:
    return await request.app[CONTEXT].resources.grants(_ask(request))


async def healthz(_: web.Request) -> web.Response:
    """200 as long as the loop runs."""
    return web.Response(text="ok\n")


async def readyz(request: web.Request) -> web.Response:
    """Whether requests can be answered: 200 or 503."""
    if request.app[CONTEXT].ready():
        return web.Response(text="ready\n")
    return web.Response(status=503, text="not ready\n")


async def metrics(request: web.Request) -> web.Response:
    """The node's figures, for keys of admin and readAdmin accounts."""
    if general_standing(request[CALLER].owner) is Standing.NONE:
        raise Refused("Forbidden")
    text = request.app[CONTEXT].metrics()
    return web.Response(body=text, headers={"Content-Type": "text/plain; version=0.0.4"})


# --- resources -----------------------------------------------------------------------------------


class Handlers:
    """The handlers for one type of resource."""

    def __init__(self, resource_of: Callable[[Resources], Resource[Any]]) -> None:
        self._resource_of = resource_of

    def _resource(self, request: web.Request) -> Resource[Any]:
        return self._resource_of(request.app[CONTEXT].resources)

    async def list(self, request: web.Request) -> web.Response:
        """A piece of the collection."""
        resource, ask = self._resource(request), _ask(request)
        now = request.app[CONTEXT].clock()
        wanted = asked(resource.schema, list(request.query.items()), ask.links, now)
        listing = await resource.list(ask, wanted.query)
        data = [resource.show(view, ask.links) for view in listing.views]
        return answer(request, collection_json(resource.schema, listing, data, wanted, ask.links))

    async def post(self, request: web.Request) -> web.Response:
        """A new resource: 201. With `?action=…` an act on the collection."""
        resource, ask = self._resource(request), _ask(request)
        action = request.query.get("action")
        if action is None:
            values = await _values(request, resource, Purpose.CREATE)
            return answer(request, await resource.create(ask, values), 201)
        if action not in resource.schema.collection_actions:
            raise Refused("InvalidAction", field="action")
        values = await _values(request, resource, Purpose.IMPORT)
        return answer(request, await resource.import_(ask, values), 201)

    async def get(self, request: web.Request) -> web.Response:
        """One resource."""
        resource, ask = self._resource(request), _ask(request)
        view = await resource.get(ask, self._number(request))
        return answer(request, resource.show(view, ask.links))

    async def put(self, request: web.Request) -> web.Response:
        """Set fields of a resource."""
        resource, ask = self._resource(request), _ask(request)
        view = await resource.edit(
            ask, self._number(request), await _values(request, resource, Purpose.UPDATE)
        )
        return answer(request, resource.show(view, ask.links))

    async def delete(self, request: web.Request) -> web.Response:
        """Remove a resource."""
        resource, ask = self._resource(request), _ask(request)
        await body_of(request)  # it says nothing, but must be whole
        view = await resource.apply(ask, self._number(request), Action.REMOVE)
        return answer(request, resource.show(view, ask.links))

    async def apply(self, request: web.Request) -> web.Response:
        """Do `?action=…` to a resource: 202."""
        resource, ask = self._resource(request), _ask(request)
        number, action = self._number(request), request.query.get("action", "")
        if action == Action.UPDATE:
            view = await resource.edit(
                ask, number, await _values(request, resource, Purpose.UPDATE)
            )
            return answer(request, resource.show(view, ask.links), 202)
        body = await body_of(request)
        special = resource.special.get(action)
        if special is not None:
            return answer(request, await special(ask, number, body), 202)
        if action not in {*resource.schema.actions, Action.REMOVE}:
            raise Refused("InvalidAction", field="action")
        return answer(
            request,
            resource.show(await resource.apply(ask, number, Action(action)), ask.links),
            202,
        )

    async def get_owner(self, request: web.Request) -> web.Response:
        """The account or environment that a key belongs to."""
        resources = request.app[CONTEXT].resources
        return answer(request, await resources.owner_of(_ask(request), self._number(request)))

    def _number(self, request: web.Request) -> Any:
        return _id(self._resource(request).schema.ref, request.match_info["id"])
