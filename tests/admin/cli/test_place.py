"""URLs of admin servers: which are taken, and to which the secret is never sent."""

from __future__ import annotations

import click
import pytest

from admin.cli.place import place_of


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
def test_what_is_taken(url: str, origin: str, host: str) -> None:
    """This machine, any other over TLS; with or without the API's version."""
    place = place_of(url)
    assert (place.origin, place.host, place.socket) == (origin, host, None)


def test_a_unix_socket() -> None:
    """By its absolute path."""
    assert place_of("unix:/run/admin.sock").socket == "/run/admin.sock"
    with pytest.raises(click.UsageError):
        place_of("unix:admin.sock")


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
def test_plain_http_to_another_machine(url: str) -> None:
    """Refused, unless that is wanted."""
    with pytest.raises(click.UsageError, match="unencrypted"):
        place_of(url)
    assert place_of(url, insecure_http=True).origin == url


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
def test_what_is_malformed(url: str) -> None:
    """Wrong usage."""
    with pytest.raises(click.UsageError):
        place_of(url)


def test_credentials_in_a_url() -> None:
    """Refused, and not repeated."""
    with pytest.raises(click.UsageError) as caught:
        place_of("https://key:s3cret@admin.example")
    assert "s3cret" not in caught.value.message
