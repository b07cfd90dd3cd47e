"""Every route with every method."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from proxy.domain.events import Event, EventType
from tests.admin.admin_api import AdminApi, ask

ROUTES = """
/healthz                          GET, HEAD, OPTIONS
/readyz                           GET, HEAD, OPTIONS
/metrics                          GET, HEAD, OPTIONS
V                                 GET, HEAD, OPTIONS
V/schemas                         GET, HEAD, OPTIONS
V/schemas/apikey                  GET, HEAD, OPTIONS
V/apikeys                         GET, HEAD, OPTIONS, POST
V/apikeys/1c1                     DELETE, GET, HEAD, OPTIONS, POST, PUT
V/apikeys/1c1/account             GET, HEAD, OPTIONS
V/projects                        GET, HEAD, OPTIONS, POST
V/projects/1a2                    DELETE, GET, HEAD, OPTIONS, POST, PUT
V/accounts                        GET, HEAD, OPTIONS, POST
V/accounts/1a1                    DELETE, GET, HEAD, OPTIONS, POST, PUT
V/projectmembers                  GET, HEAD, OPTIONS, POST
V/projectmembers/1m1              DELETE, GET, HEAD, OPTIONS, POST, PUT
V/settings                        GET, HEAD, OPTIONS
V/settings/access_control         GET, HEAD, OPTIONS, POST, PUT
V/auditlogs                       GET, HEAD, OPTIONS
V/auditlogs/1                     GET, HEAD, OPTIONS
V/webhookmessages                 GET, HEAD, OPTIONS, POST
V/webhookmessages/1wm1            GET, HEAD, OPTIONS, POST
V/projects/1a2/schemas            GET, HEAD, OPTIONS
V/projects/1a2/schemas/schemas    GET, HEAD, OPTIONS
V/projects/1a2/apikeys            GET, HEAD, OPTIONS, POST
V/projects/1a2/apikeys/1c2        DELETE, GET, HEAD, OPTIONS, POST, PUT
V/projects/1a2/apikeys/1c2/account      GET, HEAD, OPTIONS
V/projects/1a2/projects           GET, HEAD, OPTIONS, POST
V/projects/1a2/projects/1a2       DELETE, GET, HEAD, OPTIONS, POST, PUT
V/projects/1a2/projectmembers     GET, HEAD, OPTIONS, POST
V/projects/1a2/projectmembers/1m1       DELETE, GET, HEAD, OPTIONS, POST, PUT
"""
"""A path, V standing for either version, and the methods that it takes."""

ROWS = [
    (path.replace("V", version), allow)
    for version in ("/v2-beta", "/v1")
    for path, _, allow in (line.partition(" ") for line in ROUTES.strip().splitlines())
    if "V" in path or version == "/v1"
]
ROWS = [(path, allow.strip()) for path, allow in ROWS]


@pytest.fixture
async def filled(api: AdminApi) -> AdminApi:
    """An admin server with a resource at every one of the paths."""
    made = (await api.admin.post("/v2-beta/projects", {"name": "n"})).body
    assert made["id"] == "1a2"
    made = (await api.admin.post("/v2-beta/projects/1a2/apikeys")).body
    assert made["id"] == "1c2"
    async with api.store.write() as change:
        await change.announce(Event(EventType.TEST, 0, {}), "ops")
    return api


async def test_head_is_answered_like_get_on_every_route(filled: AdminApi) -> None:
    """With the same fields and no body."""
    for path, _ in ROWS:
        get, head = await filled.admin.get(path), await filled.admin.ask("HEAD", path)
        assert (get.status, head.status, head.text) == (200, 200, ""), path
        assert without_unique_fields(head.headers) == without_unique_fields(get.headers), path


def without_unique_fields(headers: Mapping[str, str]) -> dict[str, str]:
    """The fields of a head, except those that differ between any two answers."""
    named = {name.lower(): value for name, value in headers.items()}
    return {name: named[name] for name in named.keys() - {"date", "x-request-id"}}


async def test_options_names_the_methods_of_every_route(filled: AdminApi) -> None:
    """So does the refusal of any other method."""
    methods = {"DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"}
    for path, allow in ROWS:
        options = await filled.admin.ask("OPTIONS", path)
        assert (options.status, options.text, options.headers["Allow"]) == (204, "", allow), path
        for method in sorted({"PATCH", "TRACE", "QUERY"} | methods - set(allow.split(", "))):
            answer = await filled.admin.ask(method, path)
            assert answer.code == "405 MethodNotAllowed", (method, path)
            assert answer.headers["Allow"] == allow, (method, path)


async def test_every_route_of_the_api_takes_one_slash_at_its_end(filled: AdminApi) -> None:
    """Rancher's clients write one before the query of an action."""
    for path, allow in ROWS:
        if path.startswith("/v"):
            options = await filled.admin.ask("OPTIONS", f"{path}/")
            assert (options.status, options.headers["Allow"]) == (204, allow), path
            assert (await filled.admin.get(f"{path}/")).status == 200
            assert (await filled.admin.get(f"{path}//")).code == "404 NotFound"


async def test_every_route_but_health_needs_a_key(filled: AdminApi) -> None:
    """For every method."""
    for path, _ in ROWS:
        for method in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH"):
            answer = await ask(filled.client, method, path)
            if path in {"/healthz", "/readyz"}:
                assert answer.status in {200, 204, 405}, (method, path)
            else:
                assert answer.status == 401, (method, path)


async def test_a_path_without_a_route_is_not_found_by_any_method(api: AdminApi) -> None:
    """A path that is none is not found, by any method."""
    for path in ("/v2-beta/nothing", "/v3/apikeys", "/v2-beta/accounts/1a1/apikeys", "/x//y"):
        for method in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE"):
            assert (await api.admin.ask(method, path)).status == 404, (method, path)


async def test_the_bare_address_redirects_to_the_console(api: AdminApi) -> None:
    """For whoever types it into a browser, which asks for the key first."""
    assert (await ask(api.client, "GET", "/")).status == 401
    named = {"Authorization": api.admin.authorization}
    for method in ("GET", "HEAD"):
        answer = await ask(api.client, method, "/", headers=named, allow_redirects=False)
        assert (answer.status, answer.headers["Location"]) == (303, "/keys")
    assert (await api.admin.ask("POST", "/")).status == 405


async def test_metrics_are_prometheus_text_for_admins_and_read_admins(api: AdminApi) -> None:
    """The metrics are plain text in Prometheus' format, for admins and readAdmins."""
    answer = await api.admin.get("/metrics")
    assert (answer.status, answer.text) == (200, "# metrics\n")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4"
    user = await api.key(await api.account())
    assert (await user.get("/metrics")).code == "403 Forbidden"
