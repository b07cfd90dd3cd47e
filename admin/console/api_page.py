"""The API in a browser: a page for each answer, and the forms by which people send requests.

A form is sent to the address in the API that it is about, and the API's own handlers answer it. The
answer takes the place of the page, or of the form alone where it is no resource: with the script
without leaving the page, without the script as a page of its own.

Tested in `tests/admin/console/test_api_page.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from admin.api.body import OF_FORM
from admin.api.form import form_of, is_form
from admin.api.handlers import STATE, grants_of
from admin.api.middleware import LOGIN
from admin.api.representations import Json
from admin.api.responses import LINKS, JsonAnswer, error_json
from admin.api.schema_json import find_schema, schemas_json
from admin.console.api_filters import Filters, filters_of
from admin.console.api_operations import (
    ONCE,
    WAS,
    Operation,
    body_of_form,
    operation,
    operations_of,
)
from admin.console.base import open_page
from admin.console.curl import curl_line
from admin.console.json_markup import json_markup
from admin.console.open_forms import FORMS, KEPT, Holder, typed_before
from admin.console.rendering import page
from admin.service.errors import Refused

MOST: Final = 200
"""Elements of a collection that a page shows. The API has up to 10,000: to write them all out would
keep other requests waiting for seconds."""
_ANYWHERE: Final = "/v2-beta"
"""The path for which the tokens of these forms count."""
_ASKED: Final = web.RequestKey("asked", Operation)
"""What is to be done by a form that is the body of a request."""
_PATHS: Final = {"apiKey": "keys", "project": "environments", "account": "accounts"}
"""Type of resource → under which path the console has pages of it."""


async def body_of(request: web.Request) -> Json | None:
    """As `middleware.Pages.body`."""
    if "type" not in request.match_info or not is_form(request):
        return None
    form = await form_of(request)
    if "csrf" not in form:
        return None
    asked = _asked(request, await _schemas(request), form)
    if asked is None:
        return {}
    request[_ASKED] = asked
    if asked.name in ONCE:
        request.app[FORMS].use(Holder.of(request), _ANYWHERE, form.get("form", ""))
    return body_of_form(asked.fields, form)


async def answered(request: web.Request, answer: JsonAnswer) -> web.Response:
    """The page for an answer. Raises `Refused`, `StoreUnavailable`."""
    return await _page(request, answer.content, answer.status, await _schemas(request))


async def refused(request: web.Request, error: Refused) -> web.Response:
    """The page for an error: with the form that it came of, as it was filled in. Raises as
    `answered`."""
    return await _page(request, error_json(error), error.status, [], error)


async def _page(
    request: web.Request,
    content: Json,
    status: int,
    schemas: Sequence[Json],
    error: Refused | None = None,
) -> web.Response:
    origin = request[LINKS].origin
    schema = find_schema(schemas, str(content.get("resourceType") or content["type"]))
    beside = None if content["links"] else request.get(_ASKED)
    operations: Sequence[Operation] = []
    if beside is not None:
        operations = [beside]
    elif LOGIN in request and schema is not None:
        operations = _filled_in(request, operations_of(content, schema, schemas, origin))
    values = {
        **_header(request, content),
        "content": json_markup(_first(content), origin),
        "elements": len(content.get("data", ())),
        "most": MOST,
        "secrets": _secrets(content),
        "schema": content if content["type"] == "schema" else schema,
        "filters": _filters(request, content, schema),
        "operations": operations,
        "beside": beside,
        "tokens": {each.name: _token(request) for each in operations if each.name in ONCE},
        "refused": error,
        "outcome": f"{status} {HTTPStatus(status).phrase}",
        "origin": origin,
        "was": WAS,
        "kept": KEPT,
        "answered": request.app[STATE].clock(),
    }
    response = await _rendered(request, status, values)
    if beside is not None:  # htmx then replaces no more than its form
        place = f"#operation-{beside.name}"
        response.headers.update(
            {"HX-Retarget": place, "HX-Reselect": place, "HX-Reswap": "outerHTML"}
        )
    return response


def _first(content: Json) -> Json:
    """An answer with no more of its elements than a page shows."""
    return content | {"data": content["data"][:MOST]} if "data" in content else content


def _filled_in(request: web.Request, operations: Sequence[Operation]) -> Sequence[Operation]:
    """The operations, and in the form of one what was typed before its session ended."""
    typed, _ = typed_before(request, {})
    name = typed.get("operation")
    return [replace(each, typed=typed) if each.name == name else each for each in operations]


def _token(request: web.Request) -> str:
    """A token for a form that may be sent once."""
    return request.app[FORMS].token(Holder.of(request), _ANYWHERE)


def _filters(request: web.Request, content: Json, schema: Json | None) -> Filters | None:
    """The form to filter a collection, None for what is no collection."""
    if schema is None or not content.get("pagination"):
        return None
    return filters_of(request.path, list(request.query.items()), content, schema)


async def _rendered(request: web.Request, status: int, values: Mapping[str, Any]) -> web.Response:
    if LOGIN in request:
        return (await open_page(request)).render("api.html", status, **values)
    return page("api.html", status, owner=None, **values)


async def _schemas(request: web.Request) -> list[Json]:
    """What the caller may do with each type. Raises `Refused`, `StoreUnavailable`."""
    return schemas_json(await grants_of(request), request[LINKS])


def _asked(
    request: web.Request, schemas: Sequence[Json], form: Mapping[str, str]
) -> Operation | None:
    """What a form is to do at the address that it is sent to; None if that is nothing known."""
    schema = find_schema(schemas, request.match_info["type"])
    if schema is None:
        return None
    by_method = {"PUT": "update", "DELETE": "remove"}
    name = by_method.get(request.method) or request.query.get("action", "create")
    url = request.path.rstrip("/")
    if name in schema["resourceActions"] or name in schema["collectionActions"]:
        url += f"/?action={name}"
    elif name not in {"create", "update", "remove"}:
        return None
    was = {each.removeprefix(WAS): text for each, text in form.items() if each.startswith(WAS)}
    return operation(schemas, schema, name, url, was if name == "update" else None, form)


def _header(request: web.Request, content: Json) -> Json:
    """What is above the answer: what it is, where it is from, and the request for it."""
    itself = str(content["links"].get("self", ""))
    where = itself.removeprefix(request[LINKS].origin) if request.method != "GET" else ""
    path = where or request.path
    segments = path.strip("/").split("/")
    ends = [f"/{'/'.join(segments[: end + 1])}" for end in range(len(segments))]
    kind, ref = content["type"], content.get("id")
    match kind:
        case "collection":
            title = segments[-1]
        case "error":
            title = content["message"]
        case _:
            title = content.get("name") or ref or kind
    return {
        "title": title,
        "kind": content.get("code") or kind,
        "trail": list(zip(ends, segments, strict=True)),
        "plain": (
            f"{path}?_format=json"
            if request.method != "GET"
            else str(request.rel_url.update_query(_format="json"))
        ),
        "in_console": f"/{_PATHS[kind]}/{ref}" if kind in _PATHS else None,
        "method": request.method,
        "curl": curl_line(
            request.method,
            f"{request[LINKS].origin}{_url(request, content)}",
            request.get(OF_FORM),
        ),
    }


def _url(request: web.Request, content: Json) -> str:
    """The path and query that any client would send for what a page shows."""
    url = request.rel_url.without_query_params("_format", "typed")
    if content.get("pagination") and "limit" not in url.query:
        url = url.update_query(limit=content["pagination"]["limit"])
    return str(url)


def _secrets(content: Json) -> list[tuple[str, str]]:
    """What is shown this one time: (what it is, the value)."""
    for key in (content, content.get("apiKey") or {}):
        if key.get("secretValue"):
            return [
                ("access key", key["publicValue"]),
                ("secret key", key["secretValue"]),
            ]
    return []
