"""The prefixes of routes: what is refused, and which would lead around another route."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.config.load import validate
from proxy.config.source import ConfigError, Document

ONE = {"default": {"url": "http://h"}}


def problems(*routes: dict[str, Any], upstreams: dict[str, Any] | None = None) -> list[str]:
    """What is wrong with these routes."""
    settings: dict[str, Any] = {
        "listen": "127.0.0.1:1",
        "upstreams": upstreams or ONE,
        "routes": list(routes),
    }
    try:
        validate(Document("wardgate.yaml", settings))
    except ConfigError as error:
        return [str(problem).partition(": ")[2] for problem in error.problems]
    return []


@pytest.mark.parametrize(
    ("prefix", "complaint"),
    [
        ("v1", "should begin with /"),
        ("/", "should be one or more segments"),
        ("/v1/", "should have no empty segment, and no slash at its end"),
        ("//v1", "should have no empty segment"),
        ("/v1//x", "should have no empty segment"),
        ("/v1/..", "should have no dot segment"),
        ("/./v1", "should have no dot segment"),
        ("/.v1", "should have no segment that begins or ends with a dot"),
        ("/v1.", "should have no segment that begins or ends with a dot"),
        ("/v1%2Fx", "should hold whole segments without escapes and wildcards"),
        ("/%76", "should hold whole segments without escapes and wildcards"),
        ("/v1/**", "should hold whole segments without escapes and wildcards"),
        ("/v1/{environment}", "should hold no {environment}: which environment"),
        ("/{x}", "the only placeholder is {environment}"),
        ("/a b", "a segment holds only letters, digits"),
        ("/a?b", "a segment holds only letters, digits"),
        ("/a#b", "a segment holds only letters, digits"),
        ("/a\\b", "a segment holds only letters, digits"),
        ("/a;b", "a segment holds only letters, digits"),
        ("/é", "a segment holds only letters, digits"),
        ("/a\r\nHost: x", "a segment holds only letters, digits"),
        ("/" + "x" * 256, "at most 256 characters"),
        ("", "should begin with /"),
    ],
)
@pytest.mark.parametrize("name", ["strip_prefix", "add_prefix"])
def test_a_prefix_is_whole_literal_segments(name: str, prefix: str, complaint: str) -> None:
    """Nothing of it can be read in two ways."""
    (found,) = problems({"path": "/v1/x/**", name: prefix})
    assert found.startswith(f"routes[0].{name}: ")
    assert complaint in found


@pytest.mark.parametrize("prefix", ["/v1.2", "/a/b/c", "/~x", "/x:y@z,$&'()*+=!-_"])
def test_other_prefixes_are_accepted(prefix: str) -> None:
    """Of one segment or several."""
    route = {"path": f"{prefix}/**", "strip_prefix": prefix, "add_prefix": "/other"}
    assert problems(route) == []


@pytest.mark.parametrize("prefix", ["/v", "/v2", "/v1/y", "/V1", "/v1/projects/x/y"])
def test_the_path_of_a_route_begins_with_what_is_taken_away(prefix: str) -> None:
    """In whole segments, spelt alike."""
    route = {"path": "/v1/projects/{environment}/**", "strip_prefix": prefix}
    (found,) = problems(route)
    assert found == (
        "routes[0].strip_prefix: should be segments with which the path of the route begins"
    )


def test_a_prefix_that_is_put_back_is_refused() -> None:
    """It changes nothing."""
    (found,) = problems({"path": "/v1/**", "strip_prefix": "/v1", "add_prefix": "/v1"})
    assert found == "routes[0].add_prefix: is what strip_prefix takes away: leave both out"


PROJECTS = {"path": "/v1/projects/{environment}/**"}
SETTINGS = {"path": "/v1/settings/**", "access": "admin"}


@pytest.mark.parametrize(
    ("route", "other"),
    [
        # The rest of the path is the whole upstream: any account would act in any environment.
        ({"path": "/old/**", "strip_prefix": "/old"}, PROJECTS),
        ({"path": "/old/**", "strip_prefix": "/old", "access": "any"}, SETTINGS),
        ({"path": "/old/**", "strip_prefix": "/old", "add_prefix": "/v1"}, SETTINGS),
        ({"path": "/settings/**", "add_prefix": "/v1", "access": "public"}, SETTINGS),
        ({"path": "/x/V1/**", "strip_prefix": "/x"}, SETTINGS),
        # A tenant may name an environment as it likes, `v1` for example.
        ({"path": "/x/{environment}/**", "strip_prefix": "/x"}, PROJECTS),
        ({"path": "/x/{environment}/**", "strip_prefix": "/x"}, SETTINGS),
        # The other route has a prefix too.
        (
            {"path": "/old/**", "strip_prefix": "/old", "add_prefix": "/api"},
            {"path": "/v2/**", "strip_prefix": "/v2", "add_prefix": "/api", "access": "admin"},
        ),
        # All of the upstream is public, as `/old/…`.
        (
            {"path": "/old/**", "strip_prefix": "/old", "access": "public"},
            {"path": "/**", "access": "account"},
        ),
        ({"path": "/old/ping", "strip_prefix": "/old"}, {"path": "/ping", "access": "admin"}),
    ],
)
def test_a_prefix_that_leads_around_the_access_of_another_route_is_refused(
    route: dict[str, Any], other: dict[str, Any]
) -> None:
    """The message names both, and what to do."""
    found = problems(route, other)
    name = "strip_prefix" if "strip_prefix" in route else "add_prefix"
    assert found[0].startswith(f"routes[0].{name}: gives ")
    assert " of the upstream, with paths that routes[1] opens to access " in found[0]
    assert "give both the same access, or this route another add_prefix or upstream" in found[0]
    assert len(problems(other, route)) >= 1


@pytest.mark.parametrize(
    ("route", "other"),
    [
        # The same access, and the environment at the same place.
        ({"path": "/x/{environment}/**", "add_prefix": "/v1"}, {"path": "/y/**"}),
        (
            {"path": "/api/v1/projects/{environment}/**", "strip_prefix": "/api"},
            PROJECTS,
        ),
        ({"path": "/old/**", "strip_prefix": "/old"}, {"path": "/**", "access": "account"}),
        # Stricter than the other one.
        ({"path": "/old/**", "strip_prefix": "/old", "access": "admin"}, PROJECTS),
        ({"path": "/old/**", "strip_prefix": "/old"}, {"path": "/ping", "access": "public"}),
        ({"path": "/old/**", "strip_prefix": "/old"}, {"path": "/ping", "access": "any"}),
        # An exception of a general pattern is meant to be one.
        (
            {
                "path": "/pub/**",
                "strip_prefix": "/pub",
                "add_prefix": "/static",
                "access": "public",
            },
            {"path": "/**", "access": "account"},
        ),
        # Other methods.
        (
            {"path": "/old/**", "strip_prefix": "/old", "access": "any", "methods": ["GET"]},
            {"path": "/v1/x", "access": "admin", "methods": ["POST"]},
        ),
        # Elsewhere in the upstream.
        ({"path": "/old/**", "strip_prefix": "/old", "add_prefix": "/o"}, SETTINGS),
    ],
)
def test_other_prefixes_beside_other_routes_are_accepted(
    route: dict[str, Any], other: dict[str, Any]
) -> None:
    """In either order."""
    assert problems(route, other) == []


def test_another_upstream_has_paths_of_its_own() -> None:
    """Of several upstreams, that of a route without one is `default`. Two with one URL are one."""
    two = ONE | {"old": {"url": "http://o"}}
    route = {"path": "/old/**", "strip_prefix": "/old"}
    assert problems(route | {"upstream": "old"}, SETTINGS, upstreams=two) == []
    assert problems(route | {"upstream": "default"}, SETTINGS, upstreams=two) != []
    same = ONE | {"old": {"url": "HTTP://h/"}}
    assert problems(route | {"upstream": "old"}, SETTINGS, upstreams=same) != []
    divided = route | {"upstream": {"old": 1, "default": 1}}
    assert problems(divided, SETTINGS, upstreams=two) != []
    only = {"only": {"url": "http://h"}}
    assert problems(route | {"upstream": "only"}, SETTINGS, upstreams=only) != []
