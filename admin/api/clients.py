"""Who a request came from: behind trusted proxies the client that they name, by the gateway's rule.

The rule itself is `proxy.http1.forwarding`. Its host does not count here: Host itself is compared
with the names that are served, and a page of another name could set X-Forwarded-Host.

Tested in `tests/admin/api/test_clients.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from multidict import CIMultiDictProxy

from admin.service.errors import Refused
from proxy.gateway.transport import address_of
from proxy.http1.faults import Malformed
from proxy.http1.forwarding import LOCAL, Peer, forwarding

CLIENT: Final = web.RequestKey("client", str)
"""The IP address of the client; `LOCAL` at a Unix socket."""
SCHEME: Final = web.RequestKey("scheme", str)
"""`http` or `https`, as the client asked for the URL."""


@dataclass(frozen=True, slots=True)
class _Fields:
    """The fields of a request, as `forwarding` reads them."""

    headers: CIMultiDictProxy[str]
    host: None = None

    def values(self, name: bytes) -> list[bytes]:
        values = self.headers.getall(name.decode(), [])
        return [value.encode("utf-8", "surrogateescape").strip(b" \t") for value in values]


def note_client(request: web.Request, is_trusted: Callable[[str], bool]) -> None:
    """Set `CLIENT` and `SCHEME` of a request. `is_trusted` says whether a peer with an address is a
    trusted proxy. Raises `Refused` for a chain of proxies that is too long."""
    transport = request.transport
    address = LOCAL if transport is None else address_of(transport)
    request[CLIENT], request[SCHEME] = address, request.scheme
    peer = Peer(address, request.scheme, is_trusted(address))
    if not peer.trusted:
        return
    try:
        found = forwarding(_Fields(request.headers), peer, is_trusted)
    except Malformed:
        raise Refused("BadRequest", "the forwarding fields name too many proxies") from None
    request[CLIENT], request[SCHEME] = found.client, found.scheme.decode()
