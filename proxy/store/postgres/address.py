"""Where a PostgreSQL store is, and how connections to it are made.

The rule that lives here: what crosses a network is encrypted, and the server's certificate is
verified against its name. Only a Unix socket and the loopback interface go without.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from proxy.store.protocols import StoreError
from proxy.store.url import Password, shown

SCHEMA: Final = "wardgate"
"""The schema that has the tables, so that a database may have other programs' tables too."""
CONNECT_SECONDS: Final = 5.0
"""For each server. One whose machine is gone never answers."""
SETTINGS: Final = {
    "application_name": "wardgate",
    "search_path": SCHEMA,
    # Whoever holds the lock of changes holds up all others.
    "idle_in_transaction_session_timeout": "5s",
    "lock_timeout": "5s",
    # Whatever the role or the database has: who waits for the lock goes on by what is so then, and
    # the warning that no standby has confirmed a commit is sent.
    "default_transaction_isolation": "read committed",
    "client_min_messages": "warning",
}
_NEXT: Final = (
    OSError,  # a timeout, too
    asyncpg.TargetServerAttributeNotMatched,
    asyncpg.CannotConnectNowError,
)
"""Errors after which the next server is tried: nobody answers, or it is a standby, or starting."""


@dataclass(frozen=True, slots=True)
class Address:
    """A database, and as whom to use it."""

    url: str
    hosts: tuple[str, ...]
    """The names or addresses of its servers, or a folder with a Unix socket."""
    tls: ssl.SSLContext | None
    password: Password = field(repr=False)

    async def connect(self, statement_seconds: float, **settings: str) -> asyncpg.Connection:
        """A connection to the server that takes writes. The server gives a statement so many
        seconds, and its client a little more. Raises what the driver does."""
        failed: Exception | None = None
        for url in self._urls():
            try:
                return await self._connect(url, statement_seconds, settings)
            except _NEXT as error:
                failed = failed or error
        assert failed is not None
        raise failed

    def _urls(self) -> list[str]:
        """The URL of each server. The driver, given all, has one timeout for them together."""
        head, slashes, rest = self.url.partition("//")
        places, slash, database = rest.partition("/")
        user, at, hosts = places.rpartition("@")
        return [f"{head}{slashes}{user}{at}{host}{slash}{database}" for host in hosts.split(",")]

    async def _connect(
        self, url: str, statement_seconds: float, settings: Mapping[str, str]
    ) -> asyncpg.Connection:
        milliseconds = str(int(statement_seconds * 1000))
        return await asyncpg.connect(
            url,
            password=self.password,
            ssl=self.tls if self.tls is not None else False,
            timeout=CONNECT_SECONDS,
            command_timeout=statement_seconds + 2,
            server_settings={**SETTINGS, "statement_timeout": milliseconds, **settings},
            target_session_attrs=SessionAttribute.primary,
        )

    def __str__(self) -> str:
        return self.url


def parse_address(url: str, *, password: Password = None, ca_file: str | None = None) -> Address:
    """The address that `postgresql://[USER@]HOST[:PORT][,HOST…]/DATABASE` names, or, for a Unix
    socket, `postgresql:///DATABASE?host=/FOLDER`. `ca_file` has the certificates to verify the
    server's with, in place of the system's. Raises `StoreError`."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise StoreError(f"store {shown(url)}: {error}") from None
    if parts.scheme != "postgresql":
        raise StoreError(f"store {shown(url)}: expected postgresql://USER@HOST/DATABASE")
    user, _, places = parts.netloc.rpartition("@")
    if ":" in user:
        text = "a URL may be seen by others: set postgres.password_file"
        raise StoreError(f"store {shown(url)}: {text}")
    if not unquote(parts.path.removeprefix("/")) or "/" in parts.path[1:]:
        raise StoreError(
            f"store {shown(url)}: it names no database: postgresql://USER@HOST/DATABASE"
        )
    hosts = _hosts(url, places, dict(parse_qsl(parts.query, keep_blank_values=True)))
    return Address(url, hosts, _tls(url, hosts, ca_file), password)


def _hosts(url: str, places: str, options: Mapping[str, str]) -> tuple[str, ...]:
    unknown = set(options) - {"host"}
    if unknown:
        names = ", ".join(sorted(unknown))
        raise StoreError(f"store {shown(url)}: {names} cannot be set in it")
    if not places:
        folder = options.get("host", "")
        if not folder.startswith("/"):
            raise StoreError(f"store {shown(url)}: it names no host, and no folder with a socket")
        return (folder,)
    if options:
        raise StoreError(f"store {shown(url)}: it names both a host and a folder with a socket")
    hosts = tuple(_without_port(place) for place in places.split(","))
    if not all(hosts):
        raise StoreError(f"store {shown(url)}: a host is empty")
    return hosts


def _without_port(place: str) -> str:
    if place.startswith("["):
        return place[1:].partition("]")[0]
    return place.partition(":")[0]


def _tls(url: str, hosts: tuple[str, ...], ca_file: str | None) -> ssl.SSLContext | None:
    """What to verify servers with; None where no byte leaves this machine."""
    if ca_file is None and all(map(_is_here, hosts)):
        return None
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise StoreError(f"store {url}: {ca_file} has no certificates: {error}") from None


def _is_here(host: str) -> bool:
    if host.startswith("/") or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
