"""Ambiguous paths: whatever upstreams do with a path before they route it, an accepted path leads
to the route that the gateway found. The upstreams are models, made of what real ones do."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from urllib.parse import unquote

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.domain.model import Deny
from proxy.domain.routes import Access, Route, Routes
from proxy.domain.scopes import Scope, permit
from proxy.http1.faults import Malformed
from proxy.http1.grammar import request_line

PATTERNS = (
    "/v1/projects/{environment}/admin/**",
    "/v1/projects/{environment}/**",
    "/v1/settings/**",
    "/v1/list",
    "/V1/Keys/**",
    "/v1/list.json",
    "/v1/**",
    "/**",
)
ALL = frozenset(map(str.encode, ("%2F", "%25", ";", "[", "]", "|", "^", "{", "}", '"')))
ROUTES = Routes([Route(path, Access.ADMIN, "x", allow=ALL) for path in PATTERNS])


def per_segment(change: Callable[[str], str]) -> Callable[[str], str]:
    """A step that changes each segment of a path."""
    return lambda path: "/".join(map(change, path.split("/")))


SUFFIXES: list[Callable[[str], str]] = [
    lambda path: re.sub(r"(?<=[^/])\.[^./]*$", "", path),
    lambda path: re.sub(r"(?<=[^/])\.[^/]*$", "", path),
]
"""Rails takes the last suffix of the last segment, Spring all of them, for the answer's format."""
STEPS: list[Callable[[str], str]] = [
    unquote,
    str.lower,
    str.upper,
    str.casefold,
    str.swapcase,
    lambda path: unicodedata.normalize("NFKC", path),
    lambda path: unicodedata.normalize("NFC", path),
    lambda path: "".join(each for each in path if not unicodedata.combining(each)),
    lambda path: unicodedata.normalize("NFD", path),
    lambda path: re.sub(";[^/]*", "", path),
    lambda path: re.sub("[?#].*", "", path),
    lambda path: re.sub("/+", "/", path),
    lambda path: path.rstrip("/") or "/",
    lambda path: re.sub("[\u200b\u00ad]", "", path),
    per_segment(str.strip),
    per_segment(lambda segment: segment.rstrip(". ")),
    per_segment(lambda segment: re.sub(r"(?i)::\$data$|:\$i30:\$index_allocation$", "", segment)),
    *SUFFIXES,
]
"""What upstreams do: decode, once or more; ignore case, forms, marks and what is not seen; drop
parameters, what follows a `?`, empty segments, spaces, dots and suffixes."""


def routed(path: str, *, ignore_case: bool) -> tuple[str, str | None] | None:
    """(the pattern that an upstream would match first, the environment), None where there is
    none."""
    for pattern in PATTERNS:
        fixed = re.escape(pattern.removesuffix("/**")).replace(r"\{environment\}", "([^/]+)")
        rest = "(/.*)?" if pattern.endswith("/**") else ""
        flags = re.DOTALL | (re.IGNORECASE if ignore_case else 0)
        if match := re.fullmatch(fixed + rest, path, flags):
            slug = match[1] if "{environment}" in pattern else None
            return pattern, slug.lower() if slug is not None else None
    return None


PIECES = (
    "/ / / v1 V1 projects project list list.json settings setting keys Keys admin a A x . s i k "
    "%20 %2F %2f %252F ; %3B %253B ;y= %25 %3F %23 %41 %61 %2561 %C5%BF %C4%B1 %C4%B0 %E2%84%AA "
    "%EF%BC%8F %EF%BC%8E %EF%BC%9B %EF%BC%85 %EF%BC%B3 %CC%81 %E2%80%8B .json .tar [ | %C3%A9 "
    "%25C5%25BF %EF%BC%852F /v1/settings /v1/projects/a /v1/list /v1/sett%C4%B1ngs /v1/list.json "
    "/v1/projects/a/admin ::$DATA :$I30:$INDEX_ALLOCATION"
)


@given(
    path=st.lists(st.sampled_from(PIECES.split()), min_size=1, max_size=7).map("".join),
    steps=st.lists(st.sampled_from(STEPS), max_size=6),
    ignore_case=st.booleans(),
)
@settings(max_examples=1000, deadline=None)
def test_each_upstream_routes_an_accepted_path_as_the_gateway_does(
    path: str, steps: Sequence[Callable[[str], str]], ignore_case: bool
) -> None:
    """In whatever order and number it takes its steps. What a route names in full, as
    `/v1/list.json`, has no suffix."""
    try:
        request = request_line(b"GET /" + path.lstrip("/").encode() + b" HTTP/1.1")
    except Malformed:
        return
    found = ROUTES.find(request.path, request.characters)
    if isinstance(found, Deny) or found is None:
        return
    here = found.routes[0].path
    named = request.path.count(b"/") == here.removesuffix("/**").count("/")
    reading = request.path.decode()
    for place, step in enumerate(steps):
        if not (named and step in SUFFIXES):
            reading = step(reading)
        if not set(SUFFIXES).intersection(steps[: place + 1]):
            assert not {".", ".."} & set(reading.split("/"))
    slug = found.slug.lower() if found.slug is not None else None
    there = routed(reading, ignore_case=ignore_case)
    if ignore_case or there == (here, slug):
        assert there == (here, slug)
    else:  # in another case, it may be nobody's to an upstream that tells cases apart
        assert there is None or PATTERNS.index(there[0]) > PATTERNS.index(here)


SCOPES = ("GET /v1/projects/{environment}/admin/**", "GET /v1/settings/**", "GET /V1/Keys/**")


@given(
    path=st.lists(st.sampled_from(PIECES.split()), min_size=1, max_size=7).map("".join),
    scope=st.sampled_from(SCOPES),
    steps=st.lists(st.sampled_from(STEPS), max_size=6),
)
@settings(max_examples=1000, deadline=None)
def test_no_upstream_reads_a_path_that_a_scope_permits_as_one_outside_of_it(
    path: str, scope: str, steps: Sequence[Callable[[str], str]]
) -> None:
    """Although a scope looks at the path as it was sent alone."""
    inside = scope.removeprefix("GET ").removesuffix("/**").replace("{environment}", "a")
    for sent in (f"/{path.lstrip('/')}", f"{inside}/{path}"):
        try:
            request = request_line(b"GET " + sent.encode() + b" HTTP/1.1")
        except Malformed:
            continue
        if not permit([Scope.parse(scope)], "GET", request.path):
            continue
        reading = request.path.decode()
        for step in steps:
            reading = step(reading)
        fixed = re.escape(scope.removeprefix("GET ").removesuffix("/**"))
        expression = fixed.replace(r"\{environment\}", "[^/]+") + "(/.*)?"
        assert re.fullmatch(expression, reading, re.DOTALL | re.IGNORECASE), reading
        if not set(SUFFIXES).intersection(steps):
            assert not {".", ".."} & set(reading.split("/"))
