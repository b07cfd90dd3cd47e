"""The configuration: how a file of settings is read, and the rules across its groups.

The settings themselves are in `config.model`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from proxy.config.model import (
    DEFAULT_ROUTES,
    METHODS,
    Admin,
    Config,
    Limits,
    Misplaced,
    Route,
    Tls,
    Upstream,
)
from proxy.config.source import (
    NO_SETTINGS,
    ConfigError,
    Document,
    Place,
    path_text,
    read_document,
)


def load(path: Path, environ: Mapping[str, str]) -> Config:
    """Read the configuration at `path`, with variables `WARDGATE__…` of `environ` over it.

    Raises `ConfigError` with every problem that there is.
    """
    document = read_document(path)
    document.override(environ)
    _expand_upstream(document)
    config = None
    try:
        config = Config.model_validate(document.data)
    except ValidationError as error:
        for each in error.errors(include_url=False, include_input=False):
            _note(document, each)
    _check_routes(document)
    _check_addresses(document)
    if document.problems or config is None:
        raise ConfigError(sorted(document.problems, key=lambda p: (p.line is None, p.line or 0)))
    return config


def _expand_upstream(document: Document) -> None:
    """`upstream: URL` stands for one upstream of the name default."""
    data = document.data
    if "upstream" not in data:
        if "upstreams" not in data:
            document.problem(("upstreams",), "is required: name one, or write upstream: URL")
            data["upstreams"] = {"default": {"url": "unix:missing"}}
        return
    url = data.pop("upstream")
    if "upstreams" in data:
        document.problem(("upstream",), "given beside upstreams, of which it is the short form")
        return
    data["upstreams"] = {"default": {"url": url}}
    document.shown_as["upstreams", "default", "url"] = ("upstream",)


def _note(document: Document, error: Mapping[str, Any]) -> None:
    """Note an error of pydantic's in our words."""
    place: Place = tuple(part for part in error["loc"] if part != "[key]")
    cause = error.get("ctx", {}).get("error")
    if error["type"] == "missing":
        message = "is required"
    elif error["type"] == "extra_forbidden":
        message = "unknown setting" + _suggestion(place)
    elif error["type"] == "too_short":
        message = "should hold at least one"
    elif error["type"] in {"model_type", "dict_type"}:
        message = NO_SETTINGS
    elif isinstance(cause, ValueError):
        message = str(cause)
        if isinstance(cause, Misplaced):
            place = (*place, cause.name)
    else:
        message = error["msg"].removeprefix("Input ")
        if place[-1] == "authorization":
            message += "; a value to send goes in authorization_file"
    document.problem(place, message)


def _suggestion(place: Place) -> str:
    """The known setting that an unknown one at `place` is most like."""
    known: set[str] = set()
    match place[:-1]:
        case ():
            known = {*Config.model_fields, "upstream"}
        case (*_, "tls"):
            known = set(Tls.model_fields)
        case ("admin",):
            known = set(Admin.model_fields)
        case ("limits",):
            known = set(Limits.model_fields)
        case ("upstreams", _):
            known = set(Upstream.model_fields)
        case ("routes", _):
            known = set(Route.model_fields)
    close = get_close_matches(str(place[-1]), known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


# --- rules across groups -------------------------------------------------------------------------


def _check_addresses(document: Document) -> None:
    """No two listeners on one address."""
    admin = document.data.get("admin")
    groups: list[tuple[Place, object]] = [(("listen",), document.data.get("listen"))]
    if isinstance(admin, dict):
        groups.append((("admin", "listen"), admin.get("listen")))
    seen: set[str] = set()
    for place, given in groups:
        several = isinstance(given, list)
        for number, text in enumerate(given if isinstance(given, list) else [given]):
            if not isinstance(text, str) or text.endswith(":0"):
                continue
            if text in seen:
                there = (*place, number) if several else place
                document.problem(there, "another listener has this address")
            seen.add(text)


def _check_routes(document: Document) -> None:
    """The routes that are sound each by itself, against the upstreams and each other."""
    given, upstreams = document.data.get("routes"), document.data.get("upstreams")
    placed: list[tuple[Place, Route]] = []
    for number, each in enumerate(given if isinstance(given, list) else []):
        with suppress(ValidationError):  # noted already, with its place
            placed.append((("routes", number), _as_far_as_sound(each)))
    for index, (place, route) in enumerate(placed):
        _check_order(document, place, route, placed[:index])
    if "routes" not in document.data:
        placed = [(("routes",), DEFAULT_ROUTES[0])]
    if isinstance(upstreams, dict):
        for place, route in placed:
            _check_upstream(document, place, route, upstreams)


def _as_far_as_sound(given: object) -> Route:
    """A route, or what decides its place among the others. Raises `ValidationError`."""
    try:
        return Route.model_validate(given)
    except ValidationError:
        kept = given if isinstance(given, dict) else {}
        names = ("path", "methods", "upstream")
        return Route.model_validate({name: kept[name] for name in names if name in kept})


def _check_upstream(
    document: Document, place: Place, route: Route, upstreams: Collection[str]
) -> None:
    """A route leads to an upstream that there is."""
    if route.upstream is not None:
        if route.upstream not in upstreams:
            close = get_close_matches(route.upstream, upstreams, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            document.problem((*place, "upstream"), "no upstream has this name" + hint)
    elif len(upstreams) > 1 and "default" not in upstreams:
        document.problem(place, "should name its upstream: there are several, and none is default")


def _check_order(
    document: Document, place: Place, route: Route, earlier: Sequence[tuple[Place, Route]]
) -> None:
    """A route can be reached: the first pattern that fits decides, and then the method."""
    same = [other for _, other in earlier if other.path == route.path]
    if same:
        if set(same[0].allow) != set(route.allow):
            document.problem((*place, "allow"), "differs between routes of one path")
        taken = {method for other in same for method in _methods(other)}
        if _methods(route) <= taken:
            document.problem(place, "is never reached: earlier routes of its path take its methods")
        return
    for other_place, other in earlier:
        if _covers(other.path.lower().split("/"), route.path.lower().split("/")):
            document.problem(place, f"is never reached: {path_text(other_place)} stands before it")
            return


def _methods(route: Route) -> set[str]:
    """What a route takes; HEAD goes where GET goes."""
    methods: set[str] = set(METHODS if route.methods is None else route.methods)
    return methods | {"HEAD"} if "GET" in methods else methods


def _covers(earlier: list[str], later: list[str]) -> bool:
    """Whether every path that fits the segments `later` is decided by `earlier`, case aside.

    Where a segment stands at an {environment}, only patterns with theirs there are tried.
    """
    for index, segment in enumerate(earlier):
        if segment == "**":
            return True
        if index == len(later) or later[index] == "**":
            return False
        if segment == "{environment}" != later[index]:
            return True
        if segment != later[index]:
            return False
    return len(earlier) == len(later)
