"""The URL of the admin server: checked before anything is sent there.

The rule that lives here: without TLS the secret key can be read by everybody on the way, so plain
HTTP goes to this machine only, unless the caller permits it for others.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

import click

DEFAULT_URL: Final = "http://127.0.0.1:8081"
UNIX: Final = "unix:"

_URL: Final = re.compile(r"(https?)://([^/?#]*)(/[^?#]*)?(.*)", re.I | re.A)
_AUTHORITY: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_PATHS: Final = frozenset({"", "/v1", "/v2-beta"})
"""The paths, without a final slash, that other clients of this API have in their URL."""


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where an admin server is reached."""

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
        """Whether to connect with TLS."""
        return self.origin.startswith("https:")


def parse_server_url(url: str, *, insecure_http: bool = False) -> ServerAddress:
    """The admin server at `url`; `insecure_http` permits plain HTTP to another machine.

    Raises `click.UsageError`.
    """
    if url.startswith(UNIX):
        path = url.removeprefix(UNIX)
        if not path.startswith("/"):
            raise click.UsageError(
                "the URL unix: needs an absolute path, as in unix:/run/admin.sock"
            )
        return ServerAddress(url, "http://localhost", "localhost", path)
    match = _URL.fullmatch(url)
    if match is None:
        raise click.UsageError("the URL should be http://host[:port], https://… or unix:/path")
    scheme, authority, path, rest = match.groups()
    if "@" in authority:
        raise click.UsageError(
            "the URL should hold no credentials, because everybody on this machine sees a command "
            "line: use --access-key with --secret-key-file"
        )
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None or int(parts[2] or 1) not in range(1, 65536):
        raise click.UsageError(
            "the URL's host or port is malformed: it should be host or host:port"
        )
    if rest or (path or "").rstrip("/") not in _PATHS:
        raise click.UsageError("the URL should end after the host and port, or with /v2-beta")
    host = parts[1].strip("[]").lower()
    origin = f"{scheme.lower()}://{authority.lower()}"
    server = ServerAddress(origin, origin, host)
    if not server.tls and not insecure_http and not _is_loopback(host):
        raise click.UsageError(
            f"{origin} would send the secret key unencrypted over the network: "
            "use https://, or add --insecure-http if you trust the network"
        )
    return server


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
