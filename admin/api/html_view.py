"""A resource as a web page, for people who open its URL in a browser: its JSON with links."""

from __future__ import annotations

import html
import json
import re
from typing import Any, Final

from aiohttp import web

_PAGE: Final = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{title} · Wardgate</title></head>
<body><pre>{text}</pre></body>
</html>
"""

POLICY: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""Content-Security-Policy: the page loads nothing, for users may have written what it shows."""


def wants_page(request: web.BaseRequest) -> bool:
    """Whether to answer with a page: `?_format=` decides, else whether a browser asks."""
    wanted = request.query.get("_format")
    if wanted in {"html", "json"}:
        return wanted == "html"
    accept = request.headers.get("Accept", "")
    agent = request.headers.get("User-Agent", "").lower()
    return "mozilla" in agent and "text/html" in accept and "*/*" in accept


def page_of(body: Any, origin: str) -> web.Response:
    """A page that shows `body`. Only URLs under `origin` become links."""
    text = html.escape(json.dumps(body, indent=2, ensure_ascii=False))
    link = re.compile(rf"&quot;({re.escape(html.escape(origin))}/(?:[^&\s]|&amp;)*)&quot;")
    title = html.escape(str(body.get("id") or body.get("resourceType") or ""))
    page = _PAGE.format(title=title, text=link.sub(r'&quot;<a href="\1">\1</a>&quot;', text))
    response = web.Response(text=page, content_type="text/html")
    response.headers["Content-Security-Policy"] = POLICY
    return response
