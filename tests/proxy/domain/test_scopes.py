"""Scopes: what they permit, how they are written, and which of them is within another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.routes import Access, Route, Routes, Target
from proxy.domain.scopes import Scope, cover, permit

PATHS = st.lists(st.sampled_from(["a", "b", "{environment}", "a.b"]), max_size=4).map(
    lambda parts: parts if parts.count("{environment}") < 2 else ["a"]
)
PATTERNS = st.builds(
    lambda parts, rest: "/" + "/".join([*parts, *(["**"] if rest or not parts else [])]),
    PATHS,
    st.booleans(),
)
METHODS = st.lists(st.sampled_from(["GET", "POST", "*"]), min_size=1, unique=True).map(",".join)
SCOPES = st.builds(lambda methods, path: Scope.parse(f"{methods} {path}"), METHODS, PATTERNS)
REQUESTS = st.tuples(
    st.sampled_from(["GET", "HEAD", "POST", "DELETE"]),
    st.lists(st.sampled_from(["a", "b", "c", "a.b", "A"]), max_size=5).map(
        lambda parts: ("/" + "/".join(parts)).encode()
    ),
)


@pytest.mark.parametrize(
    ("text", "method", "path", "permitted"),
    [
        ("GET /v1/things", "GET", b"/v1/things", True),
        ("GET /v1/things", "HEAD", b"/v1/things", True),
        ("GET /v1/things", "POST", b"/v1/things", False),
        ("GET /v1/things", "GET", b"/v1/things/1", False),
        ("GET,POST /v1/things/**", "POST", b"/v1/things/1/2", True),
        ("GET /v1/things/**", "GET", b"/v1/things", True),
        ("* /**", "DELETE", b"/anything", True),
        ("GET /v1/projects/{environment}/hosts/**", "GET", b"/v1/projects/dev/hosts/7", True),
        ("GET /v1/projects/{environment}/hosts/**", "GET", b"/v1/projects/dev/keys", False),
        ("GET /v1/projects/{environment}/hosts/**", "GET", b"/v1/projects/d%2fev/hosts", False),
        # Some upstream reads these as a path outside the scope.
        ("GET /v1/things/**", "GET", b"/v1/Things", False),
        ("GET /v1/things/**", "GET", b"/v1/things;x/../../keys", False),
    ],
)
def test_a_scope_permits_methods_on_paths(
    text: str, method: str, path: bytes, permitted: bool
) -> None:
    """A path is judged in each of its readings, as for routes."""
    assert permit([Scope.parse(text)], method, path) is permitted
    assert str(Scope.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "GET", "/v1", "GET v1", "GET  /v1", "get /v1", "CONNECT /v1", "GET, /v1", "GET /v1/**/x"]
    + ["GET /{environment}/{environment}", "GET /a/../b", "GET /a//b", "GET /a?b", "GET /%61"]
    + ["GET /a/*", "GET /" + "a" * 1024],
)
def test_anything_else_is_no_scope(text: str) -> None:
    """What could be misread is refused when it is written."""
    with pytest.raises(ValueError, match=r"should have a path|should be METHODS PATH"):
        Scope.parse(text)


def test_without_scopes_everything_is_permitted() -> None:
    """With several, what one of them permits."""
    scopes = [Scope.parse("GET /a/**"), Scope.parse("POST /a/b")]
    assert permit([], "DELETE", b"/x")
    assert permit(scopes, "POST", b"/a/b")
    assert not permit(scopes, "POST", b"/a/c")


@given(
    PATTERNS, st.lists(st.sampled_from(["a", "b", "{environment}", "**", "%61", "A", "a;x", ""]))
)
def test_a_scope_takes_the_paths_that_a_route_with_its_pattern_takes(
    pattern: str, parts: list[str]
) -> None:
    """Both are judged on the path as it was sent."""
    path = ("/" + "/".join(parts)).encode()
    target = Routes([Route(pattern, Access.ANY, "")]).find(path, frozenset())
    assert permit([Scope.parse(f"GET {pattern}")], "GET", path) == isinstance(target, Target)


@given(st.lists(SCOPES, max_size=3), st.lists(SCOPES, max_size=3), REQUESTS)
def test_covered_scopes_permit_nothing_more(
    outer: list[Scope], inner: list[Scope], request: tuple[str, bytes]
) -> None:
    """Whatever the request."""
    if cover(outer, inner) and permit(inner, *request):
        assert permit(outer, *request)


@given(st.lists(SCOPES, max_size=3))
def test_scopes_cover_themselves(scopes: list[Scope]) -> None:
    """So that a key can make another one like itself."""
    assert cover(scopes, scopes)
