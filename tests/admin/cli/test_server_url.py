"""URLs of admin servers: which are accepted, and to which the secret is never sent."""

from __future__ import annotations

import click
import pytest

from admin.cli.server_url import parse_server_url


@pytest.mark.parametrize(
    ("url", "origin", "host"),
    [
        ("http://127.0.0.1:8081", "http://127.0.0.1:8081", "127.0.0.1"),
        ("http://localhost", "http://localhost", "localhost"),
        ("http://[::1]:8081/", "http://[::1]:8081", "::1"),
        ("http://LOCALHOST:1/v1", "http://localhost:1", "localhost"),
        ("HTTPS://Admin.Example/v2-beta/", "https://admin.example", "admin.example"),
    ],
)
def test_a_loopback_url_and_any_https_url_are_accepted(url: str, origin: str, host: str) -> None:
    """With or without the API's version."""
    server = parse_server_url(url)
    assert (server.origin, server.host, server.socket) == (origin, host, None)


def test_a_unix_socket_is_named_by_its_absolute_path() -> None:
    """A relative path is refused."""
    assert parse_server_url("unix:/run/admin.sock").socket == "/run/admin.sock"
    with pytest.raises(click.UsageError):
        parse_server_url("unix:admin.sock")


@pytest.mark.parametrize(
    "url",
    [
        "http://admin.example",
        "http://10.0.0.1:8081",
        "http://[2001:db8::1]",
        "http://0",
        "http://a.localhost",
    ],
)
def test_plain_http_to_another_machine_is_refused_unless_permitted(url: str) -> None:
    """By insecure_http."""
    with pytest.raises(click.UsageError, match="unencrypted"):
        parse_server_url(url)
    assert parse_server_url(url, insecure_http=True).origin == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:8081",
        "ftp://127.0.0.1",
        "http://",
        "http://a b",
        "http://127.0.0.1:0",
        "http://127.0.0.1:65536",
        "http://127.0.0.1/other",
        "http://127.0.0.1/?x",
        "http://127.0.0.1#x",
        "http://localhost\\@other.example",
        "http://localhost\r\nX: y",
    ],
)
def test_a_malformed_url_is_a_usage_error(url: str) -> None:
    """Exit status 2."""
    with pytest.raises(click.UsageError):
        parse_server_url(url)


def test_credentials_in_a_url_are_refused_and_not_repeated() -> None:
    """The message does not show them."""
    with pytest.raises(click.UsageError) as caught:
        parse_server_url("https://key:s3cret@admin.example")
    assert "s3cret" not in caught.value.message
