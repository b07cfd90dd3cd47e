"""The route of a path, and the keys for which a route is open."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.model import (
    Deny,
    Reason,
)
from proxy.domain.routes import Access, Route, Routes, Target, choose, methods_of
from proxy.http1.faults import Malformed
from proxy.http1.grammar import request_line


def route(path: str, access: Access = Access.ACCOUNT, **options: object) -> Route:
    """A route to the one upstream of these tests."""
    return Route(path, access, "default", **options)  # type: ignore[arg-type]  # test options


ROUTES = Routes(
    [
        route("/v1/projects/{environment}/public", Access.PUBLIC),
        route("/v1/projects/{environment}/**", Access.ENVIRONMENT, allow=frozenset({b"%2F", b";"})),
        route("/v1/projects"),
        route("/v1/settings/**", Access.ADMIN),
        route("/openapi.json", Access.PUBLIC),
        route("/openapi/**", Access.ADMIN),
        route("/files/secret/**", Access.ADMIN),
        route("/files/**", allow=frozenset({b"%2F", b"%25", b";", b"[", b"]", b"|"})),
        route("/Reports/**", Access.ADMIN),
        route("/things", methods=frozenset({"GET"})),
        route("/things", Access.ADMIN, methods=frozenset({"POST"})),
        route("/ping", Access.PUBLIC),
        route("/**"),
    ]
)


class Ambiguous(Exception):
    """The path is denied."""


def route_of(path: bytes) -> tuple[str, str | None] | None:
    """(the pattern of the route of `path`, the slug of its environment); None without a route."""
    request = request_line(b"GET " + path + b" HTTP/1.1")
    target = ROUTES.find(request.path, request.characters)
    if isinstance(target, Deny):
        raise Ambiguous
    return (target.routes[0].path, target.slug) if target else None


@pytest.mark.parametrize(
    ("path", "pattern", "slug"),
    [
        (b"/v1/projects/a/hosts/1", "/v1/projects/{environment}/**", "a"),
        (b"/v1/projects/a", "/v1/projects/{environment}/**", "a"),
        (b"/v1/projects/a/", "/v1/projects/{environment}/**", "a"),
        (b"/v1/projects/a/public", "/v1/projects/{environment}/public", "a"),
        (b"/v1/projects/A/x", "/v1/projects/{environment}/**", "A"),
        (b"/v1/projects/a/caf%C3%A9%20x", "/v1/projects/{environment}/**", "a"),
        (b"/v1/projects/a/b%2Fc;d", "/v1/projects/{environment}/**", "a"),
        (b"/v1/projects/a/hosts/a.json", "/v1/projects/{environment}/**", "a"),
        (b"/v1/projects/a/x%EF%BC%8Fy", "/v1/projects/{environment}/**", "a"),
        (b"/v1/projects/a/Settings.", "/v1/projects/{environment}/**", "a"),
        (b"/v1/projects/a/published", "/v1/projects/{environment}/**", "a"),
        (b"/v1/projects/a/x/public.json", "/v1/projects/{environment}/**", "a"),
        (b"/v1.1/projects/a", "/**", None),
        (b"/openapi.json", "/openapi.json", None),
        (b"/openapi.xml/x", "/**", None),
        (b"/settings.json", "/**", None),
        (b"/v1/projects", "/v1/projects", None),
        (b"/files/a[0]|b", "/files/**", None),
        (b"/files/https:%2F%2Fexample.com%2Fa%252Fb;v=1", "/files/**", None),
        (b"/files/my.secret%20file", "/files/**", None),
        (b"/v1/settings", "/v1/settings/**", None),
        (b"/v1/settings/x/y", "/v1/settings/**", None),
        (b"/Reports/x", "/Reports/**", None),
        (b"/", "/**", None),
        (b"/Other/X", "/**", None),
    ],
)
def test_a_path_has_the_route_of_the_first_pattern_that_matches(
    path: bytes, pattern: str, slug: str | None
) -> None:
    """Its environment is the segment in the place of `{environment}`."""
    assert route_of(path) == (pattern, slug)


@pytest.mark.parametrize(
    "path",
    [
        *(
            b"/v1/projects/" + name + b"/x"
            for name in (b"%61", b"a.", b"a%20", b"-a", b"a~", b"a" * 64)
        ),
        *(b"/v1/projects/" + name for name in (b"a%3fx", b"a%23x", b"a,b", b"a:b", b"%e2%80%8ba")),
        b"/V1/projects/a/x",
        b"/v1/PROJECTS/a/x",
        b"/v1/project%73/a/x",
        b"/v1/projects/",
        b"/v1/projects/a/PUBLIC",
        b"/v1/projects/a/public/",
        b"/v1/Settings/x",
        b"/v1/setting%73",
        b"/reports/x",
        b"/PING",
        b"/ping/",
        b"/v1/projects/a%2fb/x",
        b"/v1/projects/a;env=b/x",
        b"/v1/settings/a%2Fb",
        b"/v1/projects/a/b%252e",
        b"/x;y",
        b"/x%2Fy",
        b"/x[0]",
        b"/files[0]",
        b"/v1/projects/a/x|y",
        b"/v1/project%C5%BF",
        b"/v1/project%C5%BF/b/x",
        b"/v1/sett%C4%B1ngs",
        b"/v1/sett%C4%B0ngs/x",
        b"/v1/s%C3%A9ttings/x",
        b"/p%C4%B1ng",
        b"/f%C4%B1les%2Fsecret",
        b"/openap%C4%B1/x",
        b"/openap%E2%81%B1/x",
        b"/%EF%BC%B61/settings/x",
        b"/v1%EF%BC%8Fsettings",
        b"/v1%E2%88%95settings/x",
        b"/v1/%EF%BC%8Fsettings",
        b"/v1/settings.",
        b"/v1/settings.../x",
        b"/v1/settings%20/x",
        b"/v1/settings%EF%BC%8E",
        b"/v1/settings.json",
        b"/v1/settings.tar.gz",
        b"/v1/Sett%C4%B1ngs%20.json./",
        b"/v1/settings%3Fx",
        b"/v1/settings%23/x",
        b"/v1/projects/a/public.json",
        b"/v1/projects/a/public%EF%BC%9Bx",
        b"/ping.json",
        b"/ping.",
        b"/Openapi.json",
        b"/openapi.xml",
        b"/openapi.json/",
        b"/files/secret%2Fx",
        b"/files/secret;v=1/x",
        b"/files/secret;a%2Fb",
        b"/files/secret%3Ba%252Fb",
        b"/files/%2Fsecret",
        b"/files%2Fsecret",
        b"/files/se%2563ret",
        b"/files/s%25C3%25A9cret",
        b"/files/%25EF%25BC%25B3ecret",
        b"/files/secret.a%2Fb",
        b"/files/secret.json;x",
        b"/files;x/secret",
        b"/report%C5%BF/x",
    ],
)
def test_another_spelling_never_slips_to_another_route(path: bytes) -> None:
    """A path is refused where a lenient parser would give it another route."""
    with pytest.raises((Ambiguous, Malformed)):
        route_of(path)


def test_behind_an_environment_no_later_pattern_is_tried() -> None:
    """A path with an environment is never taken for one without."""
    routes = Routes([route("/v1/projects/{environment}/hosts", Access.ENVIRONMENT), route("/**")])
    assert routes.find(b"/v1/projects/a/other") is None
    assert routes.find(b"/v1/projects") is not None


segments = st.sampled_from(
    [b"v1", b"V1", b"projects", b"a", b"b", b"settings", b"ping", b"%61", b"x", b""]
)


@given(st.lists(segments, max_size=5))
def test_all_spellings_that_are_accepted_lead_to_one_route(parts: list[bytes]) -> None:
    """Another case, an escape or a slash at the end may be refused, but never changes the route."""
    path = b"/" + b"/".join(parts)
    try:
        here = route_of(path)
        there = route_of(path.lower().replace(b"%61", b"a").rstrip(b"/") or b"/")
    except (Ambiguous, Malformed):
        return
    assert here
    assert there
    assert here[0] == there[0]


def test_methods_choose_among_the_routes_of_one_pattern() -> None:
    """Another method gets 405, and does not try the next pattern; HEAD has the route of GET."""
    target = ROUTES.find(b"/things")
    assert isinstance(target, Target)
    access = {method: choose(target, method) for method in ("GET", "HEAD", "POST", "PUT")}
    assert isinstance(access["GET"], Route)
    assert access["HEAD"] is access["GET"]
    assert isinstance(access["POST"], Route)
    assert access["POST"].access is Access.ADMIN
    assert access["PUT"] == Deny(Reason.METHOD)
    assert methods_of(target) == ["GET", "HEAD", "POST"]
