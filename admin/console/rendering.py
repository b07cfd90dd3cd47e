"""Templates → pages: Jinja2's environment, and the fields of every page.

Tested by tests/admin/console.
"""

from __future__ import annotations

import gzip
import hashlib
from datetime import datetime
from importlib.resources import files
from typing import Any, Final

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from admin.api.representations import timestamp
from admin.console.limits import FIELDS, limits_brief, limits_lines
from proxy.http1.error_response import RETRY_LATER

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of every page: what a user has written can load and run nothing."""
_HEADERS: Final = {"Content-Security-Policy": POLICY, "Referrer-Policy": "same-origin"}
"""Of every page. With `no-referrer` a browser would send the page's own forms with `Origin: null`
(Fetch section 3.1), and without TLS nothing else would tell them from those of other sites. Other
sites learn nothing from `same-origin` either."""

_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

_FILES: Final = {
    file.name: file.read_bytes()
    for file in files("admin.console").joinpath("static").iterdir()
    if any(file.name.endswith(end) for end in _TYPES)
}
"""What pages load, by name: read once."""
_SMALL: Final = {name: gzip.compress(content, mtime=0) for name, content in _FILES.items()}
"""The same, compressed: once, not for each request."""
_VERSIONS: Final = {
    name: hashlib.sha256(content).hexdigest()[:12] for name, content in _FILES.items()
}


_DAY: Final = 86_400
"""Seconds."""
_UNITS: Final = (
    (365 * _DAY, "year"),
    (30 * _DAY, "month"),
    (_DAY, "day"),
    (3600, "hour"),
    (60, "minute"),
)
"""Seconds in each of the units in which times are told."""
_LETTERS: Final = {"d": "day", "h": "hour", "m": "minute", "s": "second"}
"""The units of durations."""


def static_url(name: str) -> str:
    """The URL of a file that pages load. It differs when the content does, so that browsers may
    keep what they have."""
    return f"/static/{name}?{_VERSIONS[name]}"


async def static(request: web.Request) -> web.Response:
    """Answer with a file that pages load."""
    name = request.match_info["name"]
    content = _FILES.get(name)
    if content is None:
        raise web.HTTPNotFound
    kept = request.query_string == _VERSIONS[name]
    small = "gzip" in request.headers.get("Accept-Encoding", "").lower()
    return web.Response(
        body=_SMALL[name] if small else content,
        content_type=next(kind for end, kind in _TYPES.items() if name.endswith(end)),
        charset="utf-8",
        headers={
            "Cache-Control": "max-age=31536000, immutable" if kept else "no-cache",
            "Vary": "Accept-Encoding",
        }
        | ({"Content-Encoding": "gzip"} if small else {}),
    )


def moment(text: str | None) -> Markup:
    """A time of a resource, such as `2026-01-31T12:00:00Z`. The script of the page shows it in the
    reader's zone, in as many characters; without the script it is UTC."""
    return _time(text, (text or "")[:16].replace("T", " "))


def relative(text: str | None, now: int) -> Markup:
    """A time of a resource as people say it, `3 hours ago`. `now` is milliseconds since the
    epoch."""
    if text is None:
        return Markup("")
    seconds = _seconds(text) - now // 1000
    size = abs(seconds)
    if size < _UNITS[-1][0]:
        return _time(text, "just now" if seconds <= 0 else "in a moment")
    length, name = next(unit for unit in _UNITS if size >= unit[0])
    count = f"{size // length} {name}{'s' if size >= 2 * length else ''}"
    return _time(text, f"in {count}" if seconds > 0 else f"{count} ago")


def is_near(text: str, now: int) -> bool:
    """Whether a time of a resource is within the next seven days. `now` is as for `relative`."""
    return 0 <= _seconds(text) - now // 1000 < 7 * _DAY


def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def _time(text: str | None, shown: str) -> Markup:
    if text is None:
        return Markup("")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(text, text, shown)


def spelled(duration: str) -> str:
    """A duration such as `3d` as people say it, `3 days`. A 0 stays as it is."""
    if duration[-1] not in _LETTERS:
        return duration
    return f"{duration[:-1]} {_LETTERS[duration[-1]]}{'' if duration[:-1] == '1' else 's'}"


def moment_ms(milliseconds: int | None) -> Markup:
    """As `moment`, for milliseconds since the epoch."""
    return moment(timestamp(milliseconds))


def coded(text: str) -> Markup:
    """A text with words in backquotes, which are shown as code."""
    parts = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else part
        for number, part in enumerate(parts)
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("admin.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["static"] = static_url
    environment.globals["limit_names"] = FIELDS
    environment.filters["limits_brief"] = limits_brief
    environment.filters["limits_lines"] = limits_lines
    environment.filters["coded"] = coded
    environment.filters["moment"] = moment
    environment.filters["moment_ms"] = moment_ms
    environment.filters["relative"] = relative
    environment.filters["spelled"] = spelled
    environment.tests["near"] = is_near
    return environment


_TEMPLATES: Final = _environment()


def page(template: str, status: int = 200, **values: Any) -> web.Response:
    """The page of a template.

    It is compressed, although it has the token of the session's forms in it. To guess that from the
    sizes of many pages (BREACH) helps nobody, since it is another one in each.
    """
    text = _TEMPLATES.get_template(template).render(values)
    headers = _HEADERS | ({"Retry-After": "1"} if status in RETRY_LATER else {})
    response = web.Response(
        body=text.encode(errors="backslashreplace"),  # what was altered may not fit into UTF-8
        status=status,
        content_type="text/html",
        charset="utf-8",
        headers=headers,
    )
    response.enable_compression()
    return response
