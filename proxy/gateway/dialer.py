"""How a connection to an upstream is opened, and why that failed.

The rule that lives here: one address that is silent, refuses, or fails its TLS handshake hides no
other one that works (RFC 8305).
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from itertools import takewhile
from typing import Final, NamedTuple

from aiohappyeyeballs import AddrInfoType, start_connection

from proxy.gateway.addresses import Addresses
from proxy.gateway.failures import Failure
from proxy.gateway.upstream import UpstreamConnection

HEAD_START: Final = 0.25
"""Seconds that an address has to answer before the next one is tried as well (RFC 8305 section
5)."""


class Dial(NamedTuple):
    """How to connect to an upstream, and the limits of its connections. Times in seconds."""

    host: str
    port: int
    unix_path: str | None
    tls: ssl.SSLContext | None
    server_name: str | None
    connect_timeout: float
    first_byte_timeout: float
    idle_timeout: float
    keepalive_timeout: float
    max_connections: int
    queue: int
    max_age: float
    """Of a connection, after which it is not used again; infinite: no limit."""
    max_requests: float
    """Of one connection; infinite: no limit."""


class DialFailure(Exception):
    """No connection could be opened. Its text is the cause, with the addresses that it concerns."""

    def __init__(self, reason: Failure, cause: str) -> None:
        super().__init__(cause)
        self.reason = reason


_Errors: Final = (OSError, RuntimeError, ValueError)
"""What connecting raises. uvloop has a RuntimeError where asyncio has an OSError."""


async def open_connection(
    dial: Dial, addresses: Addresses, make: Callable[[], UpstreamConnection]
) -> UpstreamConnection:
    """Connect as `dial` says: to a Unix socket, or to one of `addresses`. `make` makes the
    protocol. Raises `DialFailure`."""
    attempt = _Attempt(dial, addresses, make)
    try:
        async with asyncio.timeout(dial.connect_timeout):
            return await attempt.run()
    except _Errors as error:
        attempt.failed(error)
        addresses.doubt()
        raise DialFailure(_reason(error), "; ".join(attempt.causes)) from None


class _Attempt:
    """One attempt to connect, to one address after the other if need be."""

    def __init__(
        self, dial: Dial, addresses: Addresses, make: Callable[[], UpstreamConnection]
    ) -> None:
        self._dial = dial
        self._addresses = addresses
        self._make = make
        self._trying: dict[socket.socket, AddrInfoType] = {}
        """The addresses that have been tried since the last failure, in that order."""
        self.causes: list[str] = []
        """What has failed, and why."""

    async def run(self) -> UpstreamConnection:
        """Raises `_Errors`."""
        loop, dial = asyncio.get_running_loop(), self._dial
        if dial.unix_path is not None:
            return (await loop.create_unix_connection(self._make, dial.unix_path))[1]
        left = await self._addresses.in_order(dial.port)
        while True:
            try:
                return await self._connect(left)
            except _Errors as error:
                left = [each for each in left if each not in self._trying.values()]
                if not (left and self._trying):
                    raise
                self.failed(error)

    async def _connect(self, addresses: list[AddrInfoType]) -> UpstreamConnection:
        """Connect to one of `addresses`. Raises `_Errors`; `_trying` has those that it concerns."""
        loop, dial = asyncio.get_running_loop(), self._dial
        connected = await start_connection(
            addresses,
            happy_eyeballs_delay=HEAD_START,
            interleave=1,
            loop=loop,
            socket_factory=self._begin,
        )
        for slow in takewhile(lambda each: each is not connected, self._trying):
            self._addresses.put_aside(self._trying[slow])
        self._trying = {connected: self._trying[connected]}
        transport, connection = await loop.create_connection(self._make, sock=connected)
        if dial.tls is not None:
            if transport.is_closing():  # uvloop would wait for a handshake that never begins
                raise ConnectionAbortedError("it closed, or sent something, before TLS began")
            name = dial.server_name or dial.host
            secured = await loop.start_tls(transport, connection, dial.tls, server_hostname=name)
            if secured is None:
                raise ConnectionResetError("the connection has closed")
            connection.secured(secured)
        return connection

    def _begin(self, address: AddrInfoType) -> socket.socket:
        begun = socket.socket(*address[:3])
        self._trying[begun] = address
        return begun

    def failed(self, error: Exception) -> None:
        """What is tried now has failed."""
        tried = list(self._trying.values())
        self._trying = {}
        for each in tried:
            self._addresses.put_aside(each)
        dial = self._dial
        subject = ", ".join(map(_place, tried)) or dial.unix_path or dial.host
        why = str(error).removeprefix("Multiple exceptions: ")
        if isinstance(error, OSError) and error.errno and not isinstance(error, ssl.SSLError):
            why = os.strerror(error.errno)
        elif isinstance(error, TimeoutError):
            why = f"no answer within {dial.connect_timeout:g} s"
        self.causes.append(f"{subject}: {why or 'it closed the connection'}")


def _reason(error: Exception) -> Failure:
    if isinstance(error, ssl.SSLError):
        return Failure.UPSTREAM_TLS
    if isinstance(error, TimeoutError):
        return Failure.UPSTREAM_CONNECT_TIMEOUT
    return Failure.UPSTREAM_UNREACHABLE


def _place(address: AddrInfoType) -> str:
    host, port = address[4][:2]
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
