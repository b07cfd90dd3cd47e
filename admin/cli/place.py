"""Where the admin server is: the URL that a person gives, checked before anything is sent there."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

import click

DEFAULT_URL: Final = "http://127.0.0.1:8081"
UNIX: Final = "unix:"

_URL: Final = re.compile(r"(https?)://([^/?#]*)(/[^?#]*)?(.*)", re.IGNORECASE)
_AUTHORITY: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_PATHS: Final = frozenset({"", "/v1", "/v2-beta"})
"""As other clients of this API are given them, without a slash at the end."""


@dataclass(frozen=True, slots=True)
class Place:
    """An admin server's address."""

    shown: str
    """What messages call it."""
    origin: str
    """Scheme, host and port."""
    host: str
    """Without brackets."""
    socket: str | None = None
    """The path of its Unix socket."""

    @property
    def tls(self) -> bool:
        """Whether it is spoken to over TLS."""
        return self.origin.startswith("https:")


def place_of(url: str, *, insecure_http: bool = False) -> Place:
    """The admin server at `url`. Raises `click.UsageError`.

    Without TLS the secret would cross the network for everybody on the way to read, so plain HTTP
    goes to this machine only, unless `insecure_http`.
    """
    if url.startswith(UNIX):
        path = url.removeprefix(UNIX)
        if not path.startswith("/"):
            raise click.UsageError("the URL unix: needs a path that begins with a slash")
        return Place(url, "http://localhost", "localhost", path)
    match = _URL.fullmatch(url)
    if match is None:
        raise click.UsageError("the URL should be http://host[:port], https://… or unix:/path")
    scheme, authority, path, rest = match.groups()
    if "@" in authority:
        raise click.UsageError(
            "the URL should hold no credentials: everybody on this machine sees a command line"
        )
    named = _AUTHORITY.fullmatch(authority)
    if named is None or int(named[2] or 1) not in range(1, 65536):
        raise click.UsageError("the URL's host or port is malformed")
    if rest or (path or "").rstrip("/") not in _PATHS:
        raise click.UsageError("the URL should end with the host, or with /v2-beta behind it")
    host = named[1].strip("[]").lower()
    origin = f"{scheme.lower()}://{authority.lower()}"
    place = Place(origin, origin, host)
    if not place.tls and not insecure_http and not _is_loopback(host):
        raise click.UsageError(
            f"{origin} would carry the secret key unencrypted over the network: "
            "use https://, or --insecure-http if you trust every machine on the way"
        )
    return place


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
