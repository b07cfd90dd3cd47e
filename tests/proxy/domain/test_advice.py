"""Advice is what would have sufficed, and never more than a key may do already."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.advice import MAX_SLUGS, Used, advised
from proxy.domain.limits import NONE, Limits, limits_json, parse_limits, wider_parts
from proxy.domain.scopes import permit
from proxy.domain.usage import OTHER_METHOD

PROJECTS = "/v1/projects/{environment}/**"


def used(route: str, method: str = "GET", slug: str | None = None) -> Used:
    """One request."""
    return Used(route, method, slug, 1, 0)


def scopes(*requests: Used, limits: Limits = NONE) -> list[str]:
    """Those that are advised."""
    return list(limits_json(advised(limits, requests, [])).get("scopes", []))


def test_each_route_that_was_used_has_a_scope_with_the_methods_that_were() -> None:
    """HEAD is where GET is; methods that are not registered are all methods."""
    requests = [used("/b", "PUT"), used("/a"), used("/a", "HEAD"), used("/c", "HEAD")]
    assert scopes(*requests) == ["GET /a", "PUT /b", "HEAD /c"]
    assert scopes(used("/a"), used("/a", OTHER_METHOD)) == ["* /a"]
    assert scopes() == []
    assert scopes(used("")) == []


def test_a_few_environments_are_named() -> None:
    """With the methods that were used in each; many are not, nor one whose name is not known."""
    requests = [used(PROJECTS, "GET", "a"), used(PROJECTS, "POST", "b")]
    assert scopes(*requests) == ["GET /v1/projects/a/**", "POST /v1/projects/b/**"]
    many = [used(PROJECTS, "GET", f"e{number}") for number in range(MAX_SLUGS + 1)]
    assert scopes(*many) == [f"GET {PROJECTS}"]
    assert scopes(used(PROJECTS), used(PROJECTS, "POST", "b")) == [f"GET,POST {PROJECTS}"]


def test_networks_are_those_from_which_the_key_was_used() -> None:
    """Unless they are too many to be known."""
    assert limits_json(advised(NONE, [], ["198.51.100.0/24", "192.0.2.0/24"])) == {
        "networks": ["192.0.2.0/24", "198.51.100.0/24"]
    }
    assert advised(NONE, [], None) == NONE
    assert advised(NONE, [], []) == NONE


def test_too_many_routes_are_no_advice() -> None:
    """A key has 64 scopes at most."""
    assert scopes(*(used(f"/r{number}") for number in range(65))) == []
    assert len(scopes(*(used(f"/r{number}") for number in range(64)))) == 64


def test_what_a_key_may_not_do_already_is_not_advised() -> None:
    """A pattern that is wider than the scopes that it has, or a network: those stay."""
    limits = parse_limits({"scopes": ["GET /v1/things/**"], "networks": ["192.0.2.7"]})
    assert advised(limits, [used("/**")], ["192.0.2.0/24"]) == limits
    narrower = advised(limits, [used("/v1/things/**")], ["192.0.2.0/24"])
    assert narrower == limits
    wide = parse_limits({"scopes": ["* /v1/**"], "rate": "5/s", "enforce": False})
    assert limits_json(advised(wide, [used("/v1/things/**")], [])) == {
        "rate": "5/s",
        "burst": 5,
        "scopes": ["GET /v1/things/**"],
        "enforce": False,
    }


ROUTES = st.sampled_from(["/a", "/a/**", "/v1/things/**", PROJECTS, "/**"])
REQUESTS = st.lists(
    st.builds(
        used,
        ROUTES,
        st.sampled_from(["GET", "HEAD", "POST", "DELETE", OTHER_METHOD]),
        st.sampled_from([None, "a", "b", "c", "d", "e"]),
    )
)
HELD = st.lists(
    st.builds("{} {}".format, st.sampled_from(["*", "GET", "GET,POST"]), ROUTES), max_size=3
)


@given(REQUESTS, HELD)
def test_advice_never_widens_and_covers_what_was_used(
    requests: list[Used], held: list[str]
) -> None:
    """Of a key without scopes, all that was used stays permitted."""
    limits = parse_limits({"scopes": held})
    found = advised(limits, requests, ["192.0.2.0/24"])
    assert wider_parts(found, limits) == []
    if held:
        return
    for each in requests:
        path = each.route.replace("{environment}", each.slug or "any").replace("/**", "/x/y")
        method = "PATCH" if each.method == OTHER_METHOD else each.method
        assert permit(found.scopes, method, path.encode())
