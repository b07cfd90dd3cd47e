"""The API in a browser: an answer's JSON with links, its actions as forms, its schema beside it."""

from __future__ import annotations

import json
import re
from typing import Any

from aiohttp import web
from markupsafe import Markup, escape

from admin.api.handlers import grants_of
from admin.api.middleware import LOGIN
from admin.api.representations import Json
from admin.api.responses import LINKS, JsonAnswer
from admin.api.schema_json import find_schema, schemas_json
from admin.console.base import open_page
from admin.console.rendering import page


async def api_page(request: web.Request, answer: JsonAnswer) -> web.Response:
    """The page for an answer of the API. Raises `Refused`, `StoreUnavailable`."""
    content, links = answer.content, request[LINKS]
    described = content.get("resourceType") or content.get("type")
    schemas = schemas_json(await grants_of(request), links)
    values = {
        "title": content.get("id") or content.get("resourceType") or "API",
        "content": _with_links(content, links.origin),
        "schema": find_schema(schemas, str(described)),
        "actions": content.get("actions") or {},
        "methods": _methods(content, find_schema(schemas, str(described))),
        "where": request.path,
    }
    if LOGIN in request:
        return (await open_page(request)).render("api.html", answer.status, **values)
    return page("api.html", answer.status, owner=None, **values)


def _with_links(content: Any, origin: str) -> Markup:
    """The JSON as HTML. Only URLs under `origin` become links: users may have written others."""
    text = str(escape(json.dumps(content, indent=2, ensure_ascii=False)))
    link = re.compile(rf"&#34;({re.escape(str(escape(origin)))}/(?:[^&\s]|&amp;)*)&#34;")
    return Markup(link.sub(r'&#34;<a href="\1">\1</a>&#34;', text))  # noqa: S704 - escaped above


def _methods(content: Json, schema: Json | None) -> list[str]:
    """The methods besides GET that the schema allows on what is shown."""
    if schema is None:
        return []
    whole = content.get("type") == "collection"
    allowed = schema["collectionMethods" if whole else "resourceMethods"]
    return [method for method in allowed if method != "GET"]
