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
def test_an_address_to_listen_on_is_a_host_and_a_port(text: str, host: str, port: int) -> None:
    """Its text is what was written."""
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
def test_anything_but_a_host_and_a_port_is_no_address_to_listen_on(text: object) -> None:
    """The port is not optional, and a wildcard is not a host."""
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
def test_the_url_of_an_upstream_is_a_scheme_a_host_and_a_port(
    text: str, host: str, port: int, tls: bool, authority: str
) -> None:
    """The Host field leaves out the default port of the scheme."""
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
def test_an_upstream_url_with_anything_more_is_refused(text: object, reason: str) -> None:
    """Because the gateway would have to drop it; the message says which part."""
    with pytest.raises(ValueError, match=reason):
        values.upstream_url(text)


@pytest.mark.parametrize("text", ["https://api.example.com", "http://127.0.0.1:8080"])
def test_a_public_url_is_an_origin(text: str) -> None:
    """It is kept as it was written."""
    assert values.public_url(text) == text


@pytest.mark.parametrize("name", ["h2c", "HTTP/2.0", "http", "TLS/1.2", "", "a b", "a,b", None])
def test_a_protocol_that_could_carry_http_is_not_tunnelled(name: object) -> None:
    """Requests in the tunnel would pass without a decision; a list of protocols is refused too."""
    with pytest.raises(ValueError, match=r"past the gateway|name of a protocol"):
        values.protocol(name)


def test_protocol_names_are_lower_case() -> None:
    """However they are written in the configuration."""
    assert values.protocol("WebSocket") == "websocket"
