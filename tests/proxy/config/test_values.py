"""Settings that are written as text: addresses, URLs, paths of routes."""

from __future__ import annotations

import pytest

from proxy.config import values


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:0", "127.0.0.1", 0),
        ("[::1]:65535", "::1", 65535),
        ("[::]:8080", "::", 8080),
        ("api_1.example.com:80", "api_1.example.com", 80),
    ],
)
def test_listen(text: str, host: str, port: int) -> None:
    """An address to listen on is a host and a port, and reads back as it was written."""
    listen = values.listen(text)
    assert (listen.host, listen.port, listen.path) == (host, port, None)
    assert str(listen) == text


@pytest.mark.parametrize(
    "text",
    [
        *("8080", 8080, "", ":8080", "*:8080", "localhost", "localhost:", "127.0.0.1:-1", "a b:1"),
        *("127.0.0.1:65536", "127.0.0.1:999999", "::1:80", "[::1]", "[localhost]:80", "[::1:80"),
        *("127.0.0.256:80", "1.2.3:80", "ä:80", "http://h:80", "h:80/", "h:8\n0", "unix:", None),
        "unix:/" + "x" * 107,
    ],
)
def test_not_to_listen_on(text: object) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match=r"should be|port is at most|at most 107"):
        values.listen(text)


@pytest.mark.parametrize(
    ("text", "host", "port", "tls", "authority"),
    [
        ("http://h", "h", 80, False, "h"),
        ("http://h/", "h", 80, False, "h"),
        ("https://h", "h", 443, True, "h"),
        ("https://h:443", "h", 443, True, "h"),
        ("https://h:80", "h", 80, True, "h:80"),
        ("HTTP://127.0.0.1:9000", "127.0.0.1", 9000, False, "127.0.0.1:9000"),
        ("http://[::1]:9000", "::1", 9000, False, "[::1]:9000"),
        ("http://[::1]", "::1", 80, False, "[::1]"),
    ],
)
def test_upstream_url(text: str, host: str, port: int, tls: bool, authority: str) -> None:
    """An upstream's URL is its scheme, host and port; Host leaves the scheme's own port out."""
    url = values.upstream_url(text)
    assert (url.host, url.port, url.tls, url.authority) == (host, port, tls, authority)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("h:9000", "should be http"),
        ("ftp://h", "should be http"),
        ("ws://h", "should be http"),
        ("http:/h", "should be http"),
        ("http://", "should be http"),
        ("http://:80", "should be http"),
        ("http://a b", "should be http"),
        ("http://h:", "should be http"),
        ("http://h:0", "not 0"),
        ("http://h:99999", "at most 65535"),
        ("http://u@h", "no user name"),
        ("http://u:p@h", "no user name"),
        ("http://h/api", "no path"),
        ("http://h//", "no path"),
        ("http://h?q", "no path"),
        ("http://h#f", "no path"),
        (None, "should be http"),
    ],
)
def test_not_an_upstream_url(text: object, reason: str) -> None:
    """What the gateway would have to drop or to change is refused, and the reason told."""
    with pytest.raises(ValueError, match=reason):
        values.upstream_url(text)


@pytest.mark.parametrize("text", ["https://api.example.com", "http://127.0.0.1:8080"])
def test_public_url(text: str) -> None:
    """The public URL is an origin, as it stands."""
    assert values.public_url(text) == text


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/**", "/ping", "/v1/projects/{environment}", "/v1/{environment}/a/**"),
        *("/{environment}/**", "/.well-known/x", "/a:b@c;d".replace(";", ","), "/v1/a*"),
    ],
)
def test_route_path(path: str) -> None:
    """A pattern has literal segments, one environment at most, and perhaps `**` last."""
    assert values.route_path(path) == path


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "begin with /"),
        ("v1", "begin with /"),
        ("//a", "no empty segment"),
        ("/a/", "no slash at its end"),
        ("/a//b", "no empty segment"),
        ("/a/./b", "no dot segment"),
        ("/a/..", "no dot segment"),
        ("/**/a", "only as the last"),
        ("/a/*", "no wildcard"),
        ("/a/***", "only as the last"),
        ("/{env}", "only placeholder"),
        ("/x{environment}", "only placeholder"),
        ("/{environment}/{environment}", "only once"),
        ("/a%2Fb", "a segment holds only"),
        ("/a;b", "a segment holds only"),
        ("/a?b", "a segment holds only"),
        ("/ä", "a segment holds only"),
        ("/a b", "a segment holds only"),
        ("/a\n", "a segment holds only"),
    ],
)
def test_not_a_route_path(path: str, reason: str) -> None:
    """A pattern that no request could fit, or that means two things, is refused."""
    with pytest.raises(ValueError, match=reason):
        values.route_path(path)


@pytest.mark.parametrize("name", ["h2c", "HTTP/2.0", "http", "TLS/1.2", "", "a b", "a,b", None])
def test_not_a_protocol(name: object) -> None:
    """HTTP in a tunnel would pass unjudged, so it is not to be had, and neither is a list."""
    with pytest.raises(ValueError, match=r"unjudged|name of a protocol"):
        values.protocol(name)


def test_protocol() -> None:
    """Protocols are compared in small letters."""
    assert values.protocol("WebSocket") == "websocket"
