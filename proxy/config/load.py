"""Reads a configuration file, and checks the rules that span several groups of settings.

The settings and their defaults are in `config.model` and the files beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, TypeAlias

from pydantic import ValidationError

from proxy.config.cors import Cors
from proxy.config.forward_auth import ForwardAuth
from proxy.config.header_rules import ResponseHeaders
from proxy.config.model import Admin, Config, Limits, Tls
from proxy.config.oidc import Oidc
from proxy.config.prefixes import inner, opens, upstreams_of
from proxy.config.route import DEFAULT_ROUTES, Route
from proxy.config.settings import Fault, SettingErrors, Settings
from proxy.config.source import (
    NOT_A_MAPPING,
    ConfigError,
    Document,
    SettingPath,
    path_text,
    read_document,
)
from proxy.config.targets import GROUPS, Target
from proxy.config.tracing import Tracing
from proxy.config.upstream import Upstream
from proxy.config.values import UNIX_PREFIX
from proxy.config.webhooks import Webhook
from proxy.domain.methods import ANY, STANDARD

Check: TypeAlias = Callable[[Config], Iterable[tuple[SettingPath, str]]]
"""Returns what is wrong with the settings of a valid configuration, each with its message."""


def load(path: Path, environ: Mapping[str, str], *, check: Check = lambda _: ()) -> Config:
    """Read the configuration at `path`; variables `WARDGATE__…` of `environ` override it.

    `check` sees what a valid configuration needs of the machine. Raises `ConfigError` with every
    problem.
    """
    document = read_document(path)
    document.override(environ)
    return validate(document, check)


def validate(document: Document, check: Check = lambda _: ()) -> Config:
    """The configuration that a document holds. Raises `ConfigError` with every problem."""
    _expand_upstream(document)
    config = None
    try:
        config = Config.model_validate(document.data)
    except ValidationError as error:
        for each in _errors_of(error):
            _add_validation_error(document, each)
        _check_rules_of_the_rest(document, error)
    _check_routes(document)
    _check_addresses(document)
    _check_proxy_protocol(document)
    if config is not None:
        for place, message in check(config):
            document.add_problem(place, message)
    if document.problems or config is None:
        raise ConfigError(sorted(document.problems, key=lambda p: (p.line is None, p.line or 0)))
    return config


def _expand_upstream(document: Document) -> None:
    """Replace `upstream: URL` with one upstream named default."""
    data = document.data
    if "upstream" not in data:
        if "upstreams" not in data:
            document.add_problem(("upstreams",), "is required: name one, or write upstream: URL")
            data["upstreams"] = {"default": {"url": "unix:missing"}}
        return
    url = data.pop("upstream")
    if "upstreams" in data:
        document.add_problem(("upstream",), "is short for upstreams: use only one of the two")
        return
    data["upstreams"] = {"default": {"url": url}}
    document.written_as["upstreams", "default", "url"] = ("upstream",)


def _add_validation_error(document: Document, error: Mapping[str, Any]) -> None:
    """Add an error that pydantic reports, as a problem in our words."""
    path = _path_of(error)
    faults = _broken_rules(error)
    if faults:
        for name, message in faults:
            document.add_problem((*path, name), message)
        return
    cause = error.get("ctx", {}).get("error")
    if error["type"] == "missing":
        message = "is required"
    elif error["type"] == "extra_forbidden":
        message = "unknown setting" + _suggestion(path)
    elif error["type"] == "too_short":
        message = "should hold at least one"
    elif error["type"] in {"model_type", "dict_type"}:
        message = NOT_A_MAPPING
    elif isinstance(cause, ValueError):
        message = str(cause)
    else:
        message = error["msg"].removeprefix("Input ")
        if path[-1] == "authorization":
            message += "; put a value to send into authorization_file"
    document.add_problem(path, message)


def _errors_of(error: ValidationError) -> list[Any]:
    return error.errors(include_url=False, include_input=False)


def _broken_rules(error: Mapping[str, Any]) -> list[Fault]:
    """The faults of a group of settings, each of which is valid by itself."""
    cause = error.get("ctx", {}).get("error")
    return cause.faults if isinstance(cause, SettingErrors) else []


def _path_of(error: Mapping[str, Any]) -> SettingPath:
    return tuple(part for part in error["loc"] if part != "[key]")


def _check_rules_of_the_rest(document: Document, error: ValidationError) -> None:
    """Add what breaks the rules of routes and upstreams that have other errors too: pydantic checks
    the rules of a group only if each of its settings is valid. The invalid ones are left out."""
    rest, reported = deepcopy(document.data), set[SettingPath]()
    for each in _errors_of(error):
        if _broken_rules(each):
            reported.add(_path_of(each))
        else:
            _leave_out(rest, _path_of(each))
    try:
        Config.model_validate(rest)
    except ValidationError as found:
        for each in _errors_of(found):
            path = _path_of(each)
            if path[0] in {"routes", "upstreams"} and path not in reported and _broken_rules(each):
                _add_validation_error(document, each)


def _leave_out(data: Any, path: SettingPath) -> None:
    """Remove the setting at `path`; of an item of a list the whole list, as long as that is within
    another setting. An upstream goes with its place, which decides what else it may have."""
    if path[0] == "upstreams" and path[2:3] in {("url",), ("targets",), ("resolve",)}:
        path = path[:2]
    parents = [data]
    for part in path[:-1]:
        try:
            parents.append(parents[-1][part])
        except (KeyError, IndexError, TypeError):
            break
    for parent, part in reversed(list(zip(parents, path, strict=False))):
        if isinstance(parent, dict):
            parent.pop(part, None)
            return


_MODELS: Final[Mapping[SettingPath, type[Settings]]] = {
    (): Config,
    ("tls",): Tls,
    ("admin",): Admin,
    ("admin", "tls"): Tls,
    ("admin", "oidc"): Oidc,
    ("admin", "webhooks", "*"): Webhook,
    ("forward_auth",): ForwardAuth,
    ("limits",): Limits,
    ("tracing",): Tracing,
    ("upstreams", "*"): Upstream,
    ("upstreams", "*", "targets", "*"): Target,
    **{("upstreams", "*", name): model for name, model in GROUPS.items()},
    ("routes", "*"): Route,
    ("routes", "*", "cors"): Cors,
    ("routes", "*", "response_headers"): ResponseHeaders,
}
"""Where each group of settings is; `*` stands for a name or a number."""
_COLLECTIONS: Final = frozenset({"upstreams", "routes", "targets", "webhooks"})


def _suggestion(path: SettingPath) -> str:
    """A hint at the known setting whose name is most similar to the unknown one at `path`."""
    group = tuple(
        "*" if above in _COLLECTIONS else part
        for above, part in zip((None, *path), path[:-1], strict=False)
    )
    model = _MODELS.get(group)
    known = set() if model is None else set(model.model_fields)
    close = get_close_matches(str(path[-1]), known if group else {*known, "upstream"}, n=1)
    return f"; did you mean {close[0]}?" if close else ""


# --- rules across groups -------------------------------------------------------------------------


def _check_addresses(document: Document) -> None:
    """No two listeners on one address."""
    listeners = list(_written(document.data.get("listen"), ("listen",)))
    for group in ("admin", "forward_auth"):
        settings = document.data.get(group)
        if isinstance(settings, dict):
            listeners += _written(settings.get("listen"), (group, "listen"))
    seen: set[str] = set()
    for path, listener in listeners:
        address = listener.get("address") if isinstance(listener, dict) else listener
        if not isinstance(address, str) or address.endswith(":0"):
            continue
        if address in seen:
            document.add_problem(path, "another listener has this address")
        seen.add(address)


def _check_proxy_protocol(document: Document) -> None:
    """Somebody may send the PROXY protocol where it is expected."""
    if document.data.get("trusted_proxies"):
        return
    for path, listener in _written(document.data.get("listen"), ("listen",)):
        if isinstance(listener, dict) and listener.get("proxy_protocol") is True:
            address = listener.get("address")
            if isinstance(address, str) and not address.startswith(UNIX_PREFIX):
                document.add_problem(path, "proxy_protocol needs trusted_proxies, who send it")


def _written(value: object, path: SettingPath) -> Iterator[tuple[SettingPath, object]]:
    """The listeners of a setting, as they are written."""
    if not isinstance(value, list):
        yield path, value
        return
    for number, each in enumerate(value):
        yield (*path, number), each


def _check_routes(document: Document) -> None:
    """Check the routes, each valid by itself, against the upstreams and each other."""
    written, upstreams = document.data.get("routes"), document.data.get("upstreams")
    named: list[tuple[SettingPath, object]] = []
    routes: list[tuple[SettingPath, Route]] = []
    for number, each in enumerate(written if isinstance(written, list) else []):
        path: SettingPath = ("routes", number)
        named.append((path, each.get("upstream") if isinstance(each, dict) else None))
        with suppress(ValidationError):  # reported already
            routes.append((path, _valid_part(each)))
    for index, (place, route) in enumerate(routes):
        _check_order(document, place, route, routes[:index])
    _check_prefixes(document, routes, upstreams)
    if "routes" not in document.data:
        named = [(("routes",), DEFAULT_ROUTES[0].upstream)]
    if isinstance(upstreams, dict):
        for place, name in named:
            _check_upstream(document, place, name, upstreams)


def _check_prefixes(
    document: Document, routes: Sequence[tuple[SettingPath, Route]], upstreams: object
) -> None:
    """No prefix leads around the access of another route."""
    given = upstreams if isinstance(upstreams, dict) else {}
    alone = len(given) == 1

    def places(route: Route) -> set[str]:
        """Where its requests go. Two upstreams with one URL are one API."""
        named = {name: given.get(name) for name in upstreams_of(route)}
        return {
            str(each["url"]).lower().rstrip("/")
            if isinstance(each, dict) and "url" in each
            else name
            for name, each in named.items()
        }

    def share(one: Route, other: Route) -> bool:
        """Whether both may pass on one request to one upstream."""
        mine, theirs = _methods(one), _methods(other)
        methods = ANY in mine | theirs or not mine.isdisjoint(theirs)
        return methods and (alone or not places(one).isdisjoint(places(other)))

    for path, route in routes:
        name = "strip_prefix" if route.strip_prefix is not None else "add_prefix"
        if getattr(route, name) is None:
            continue
        for place, other in routes:
            if other is not route and share(route, other) and opens(route, other):
                document.add_problem(
                    (*path, name),
                    f"gives {route.access} keys {inner(route)} of the upstream, with paths that "
                    f"{path_text(place)} opens to access {other.access}: give both the same "
                    "access, or this route another add_prefix or upstream",
                )
                break


def _valid_part(written: object) -> Route:
    """The route, or only what decides its order among the others. Raises `ValidationError`."""
    try:
        return Route.model_validate(written)
    except ValidationError:
        settings = written if isinstance(written, dict) else {}
        names = ("path", "methods")
        return Route.model_validate({name: settings[name] for name in names if name in settings})


def _check_upstream(
    document: Document, path: SettingPath, name: object, upstreams: Collection[str]
) -> None:
    """The upstreams of a route exist: the one with this `name`, or those in a mapping. What is
    neither is reported already."""
    if name is not None:
        for each in name if isinstance(name, dict) else [name]:
            if isinstance(each, str) and each not in upstreams:
                close = get_close_matches(each, upstreams, n=1)
                hint = f"; did you mean {close[0]}?" if close else ""
                which = f"no upstream has the name {each}" if each is not name else ""
                document.add_problem(
                    (*path, "upstream"), (which or "no upstream has this name") + hint
                )
    elif len(upstreams) > 1 and "default" not in upstreams:
        document.add_problem(
            path, "should name its upstream: there are several, and none is named default"
        )


def _check_order(
    document: Document,
    path: SettingPath,
    route: Route,
    earlier: Sequence[tuple[SettingPath, Route]],
) -> None:
    """Some request reaches the route: the first pattern that matches decides, then the method."""
    same = [other for _, other in earlier if other.path == route.path]
    if same:
        if set(same[0].allow) != set(route.allow):
            document.add_problem((*path, "allow"), "should be equal in all routes of one path")
        taken = {method for other in same for method in _methods(other)}
        if ANY in taken or _methods(route) <= taken:
            document.add_problem(
                path, "is never reached: earlier routes of its path take its methods"
            )
        return
    for other_path, other in earlier:
        if _covers(other.path.lower().split("/"), route.path.lower().split("/")):
            message = f"is never reached: {path_text(other_path)} before it matches the same paths"
            document.add_problem(path, message)
            return


def _methods(route: Route) -> set[str]:
    """The methods of a route; a route for GET also takes HEAD."""
    methods: set[str] = set(STANDARD if route.methods is None else route.methods)
    return methods | {"HEAD"} if "GET" in methods else methods


def _covers(earlier: list[str], later: list[str]) -> bool:
    """Whether `earlier` decides every path that matches the segments `later`.

    Both are in lower case, because routes match without regard to case. Once a segment of the
    path matches an {environment}, only patterns with {environment} there are tried.
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
