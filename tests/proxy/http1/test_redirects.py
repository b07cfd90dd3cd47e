"""Redirects of an upstream to itself, which clients follow to the gateway."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.prefix import Prefix
from proxy.http1.redirects import Redirects, led_back

OWN = Redirects(b"127.0.0.1:9000", tls=False)
NAMED = Redirects(b"API.internal", tls=False)
SECURE = Redirects(b"[::1]", tls=True)


def rewritten(
    redirects: Redirects, value: str, name: str = "Location", scheme: bytes = b"http"
) -> str:
    """What becomes of the value of a field."""
    line = f"{name}: {value}\r\n"
    around = f"X: http://127.0.0.1:9000/\r\n{line}Server: s\r\n".encode()
    before, found, after = redirects.rewrite(around, scheme).split(b"\r\n")[:3]
    assert (before, after) == (b"X: http://127.0.0.1:9000/", b"Server: s")
    return found.decode().removeprefix(f"{name}: ")


@pytest.mark.parametrize(
    ("redirects", "value", "expected"),
    [
        (
            OWN,
            "http://127.0.0.1:9000/x?y=http://127.0.0.1:9000/#z",
            "/x?y=http://127.0.0.1:9000/#z",
        ),
        (OWN, "HTTP://127.0.0.1:9000", "/"),
        (OWN, "http://127.0.0.1:9000/ ", "/ "),
        (OWN, "http://127.0.0.1:9000?x", "/?x"),
        (OWN, "http://127.0.0.1:9000#x", "/#x"),
        (OWN, "//127.0.0.1:9000/x", "/x"),
        (OWN, "https://127.0.0.1:9000/x", "/x"),
        (NAMED, "http://api.INTERNAL/x", "/x"),
        (NAMED, "http://api.internal:80/x", "/x"),
        (NAMED, "http://api.internal:/x", "/x"),
        (NAMED, "//api.internal/x", "/x"),
        (SECURE, "https://[::1]/x", "/x"),
        (SECURE, "https://[::1]:443/x", "/x"),
    ],
)
def test_a_url_of_the_upstream_becomes_a_path(
    redirects: Redirects, value: str, expected: str
) -> None:
    """Which the client resolves against the URL that it requested."""
    assert rewritten(redirects, value) == expected


@pytest.mark.parametrize(
    ("redirects", "value"),
    [
        (OWN, "/x"),
        (OWN, "x"),
        (OWN, ""),
        (OWN, "?x"),
        (OWN, "http://127.0.0.1/x"),
        (OWN, "http://127.0.0.1:90001/x"),
        (OWN, "http://127.0.0.1:9000.example/x"),
        (OWN, "http://127.0.0.1:9000@example/x"),
        (OWN, "http://user@127.0.0.1:9000/x"),
        (OWN, "http://user:word@127.0.0.1:9000/x"),
        (OWN, "http://127.0.0.1:9000\\@example/x"),
        (OWN, "http://127.0.0.1:9000\t@example/x"),
        (OWN, "http:127.0.0.1:9000/x"),
        (OWN, "ftp://127.0.0.1:9000/x"),
        (OWN, "http://example/http://127.0.0.1:9000/x"),
        (NAMED, "http://api.internal.example/x"),
        (NAMED, "http://www.api.internal/x"),
        (NAMED, "https://api.internal/x"),
        (NAMED, "https://api.internal:443/x"),
        (NAMED, "http://api.internal:8080/x"),
        (SECURE, "https://[::2]/x"),
        (SECURE, "https://::1/x"),
    ],
)
def test_another_url_is_passed_on(redirects: Redirects, value: str) -> None:
    """Another server may listen on another port; and a redirect from http to https that became a
    path would lead to itself."""
    assert rewritten(redirects, value) == value


@pytest.mark.parametrize("value", ["https://api.internal/x", "https://api.internal:443/x"])
def test_a_url_with_the_scheme_of_the_client_is_the_upstreams(value: str) -> None:
    """X-Forwarded-Proto told it that scheme, and Host the rest."""
    assert rewritten(NAMED, value, scheme=b"https") == "/x"
    assert rewritten(NAMED, "http://api.internal/x", scheme=b"https") == "/x"
    assert rewritten(OWN, "https://127.0.0.1/x", scheme=b"https") == "https://127.0.0.1/x"


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("location", "", ""),
        ("CONTENT-LOCATION", "", ""),
        ("Refresh", "0; url=", ""),
        ("Refresh", "5;URL = '", "'"),
        ("refresh", '1.5 , url="', '"; x'),
        ("Refresh", "0;", ""),
        ("Refresh", "0 ", ""),
    ],
)
def test_all_fields_that_redirect_are_led(name: str, before: str, after: str) -> None:
    """Refresh has a time before its URL, and may have quotes around it."""
    for rest in ("", "/", "/x"):
        url = f"{before}http://127.0.0.1:9000{rest}{after}"
        assert rewritten(OWN, url, name) == f"{before}{rest or '/'}{after}"


@pytest.mark.parametrize(
    ("path", "expected"),
    [("//x", "/.//x"), ("/\\x", "/./\\x"), ("/\t/x", "/./\t/x"), ("///x", "/.///x")],
)
def test_a_path_that_would_name_another_host_keeps_naming_none(path: str, expected: str) -> None:
    """A segment `.` changes no path; without it, `//x` would lead to the host x (as would what
    browsers read as that)."""
    assert rewritten(OWN, f"http://127.0.0.1:9000{path}") == expected


PARTS = (
    "http:",
    "https:",
    "/",
    "//",
    "\\",
    "\t",
    " ",
    "127.0.0.1:9000",
    ":9000",
    "@",
    "x",
    "?",
    "#",
    ".",
)


@given(
    st.lists(st.sampled_from(PARTS), max_size=8).map("".join), st.sampled_from([b"http", b"https"])
)
def test_a_redirect_is_passed_on_or_stays_with_the_gateway(value: str, scheme: bytes) -> None:
    """As a browser reads it: without tabs, and with a slash for each backslash."""
    found = rewritten(OWN, value, scheme=scheme)
    read = found.replace("\t", "").replace("\\", "/").strip()
    assert found == value or (read.startswith("/") and not read.startswith("//"))


SWAPPED = Prefix(b"/v1", b"/api")
STRIPPED = Prefix(b"/v1")
ADDED = Prefix(b"", b"/api")


def led(prefix: Prefix, line: str) -> str:
    """What becomes of a field line of an upstream behind a prefix."""
    around = f"X: /api/x\r\n{line}\r\nServer: /api/\r\n".encode()
    before, found, after, _ = led_back(around, prefix).split(b"\r\n")
    assert (before, after) == (b"X: /api/x", b"Server: /api/")
    return found.decode()


@pytest.mark.parametrize("name", ["Location", "content-location", "Refresh"])
@pytest.mark.parametrize(
    ("prefix", "path", "expected"),
    [
        (SWAPPED, "/api/x?y=/api#/api", "/v1/x?y=/api#/api"),
        (SWAPPED, "/api", "/v1"),
        (SWAPPED, "/api?x", "/v1?x"),
        (SWAPPED, "/api/", "/v1/"),
        (SWAPPED, "/api/it's", "/v1/it's"),
        (STRIPPED, "/x", "/v1/x"),
        (STRIPPED, "/", "/v1/"),
        (STRIPPED, "/.//x", "/v1/.//x"),
        (ADDED, "/api/x", "/x"),
        (ADDED, "/api", "/"),
        (ADDED, "/api?x", "/?x"),
        (ADDED, "/api//evil", "/.//evil"),
        (ADDED, "/api/\\evil", "/./\\evil"),
        # Outside of what the route leads to, relative, or at another host.
        (SWAPPED, "/apis/x", "/apis/x"),
        (SWAPPED, "/API/x", "/API/x"),
        (SWAPPED, "/x/api/y", "/x/api/y"),
        (SWAPPED, "api/x", "api/x"),
        (SWAPPED, "../api/x", "../api/x"),
        (SWAPPED, "?/api/x", "?/api/x"),
        (STRIPPED, "//evil/api", "//evil/api"),
        (STRIPPED, "/\\evil", "/\\evil"),
        (STRIPPED, "https://example/api/x", "https://example/api/x"),
        (STRIPPED, "", ""),
    ],
)
def test_a_path_of_the_upstream_leads_back_to_the_gateway(
    name: str, prefix: Prefix, path: str, expected: str
) -> None:
    """In each field that redirects."""
    start = "0; url=" if name == "Refresh" else ""
    assert led(prefix, f"{name}: {start}{path}") == f"{name}: {start}{expected}"


@pytest.mark.parametrize(
    ("prefix", "attributes", "expected"),
    [
        (SWAPPED, "; Path=/api", "; Path=/v1"),
        (SWAPPED, "; Path=/api/x; Secure", "; Path=/v1/x; Secure"),
        (SWAPPED, ";path = /api ;HttpOnly", ";path = /v1 ;HttpOnly"),
        (SWAPPED, "; Path=/x; path=/api", "; Path=/x; path=/v1"),
        (STRIPPED, "; Path=/", "; Path=/v1"),
        (ADDED, "; Path=/api", "; Path=/"),
        (ADDED, "; Path=/api/x", "; Path=/x"),
        (SWAPPED, "; Path=/", "; Path=/"),
        (SWAPPED, "; Path=/apis", "; Path=/apis"),
        (SWAPPED, "; Path=", "; Path="),
        (SWAPPED, "; Path", "; Path"),
        (SWAPPED, "", ""),
    ],
)
def test_a_cookie_keeps_to_the_paths_of_the_gateway(
    prefix: Prefix, attributes: str, expected: str
) -> None:
    """Only its attribute Path changes, whatever its value is."""
    for cookie in ("s=1", "s=Path=/api", "s=/api"):
        assert led(prefix, f"Set-Cookie: {cookie}{attributes}") == (
            f"Set-Cookie: {cookie}{expected}"
        )


@pytest.mark.parametrize(
    "line",
    [
        "Refresh: 0{0}x",
        "Refresh: 0;{0}x",
        "Refresh: 0;url{0}x",
        "Refresh: 0;url={0}x",
        "Refresh: {0}x",
        "Location: {0}x",
        "Location: /{0}x",
        "Set-Cookie: s=1; path=/{0}x",
        "Set-Cookie: s=1;{0}path=/x",
        "Set-Cookie: s=1; path{0}=x",
    ],
)
def test_an_upstream_gains_no_time_by_many_spaces(line: str) -> None:
    """As many as a head holds are read once, and not once more from each of them."""
    field = line.format(" " * 60_000)
    assert led(STRIPPED, field) == field.replace("path=/", "path=/v1/").replace(
        "Location: /", "Location: /v1/"
    )
    name, _, value = field.partition(": ")
    assert rewritten(OWN, value, name) == value
