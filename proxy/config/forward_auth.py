"""The settings of forward-auth: where other proxies ask for the decision, and how they tell what
they ask about.

Which fields tell it is always configured and never guessed: a field that a proxy does not set comes
from its client.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import Field, PlainValidator

from proxy.config import values
from proxy.config.settings import Addresses, Settings
from proxy.config.values import Network

OriginalFields: TypeAlias = Literal["x-original", "x-forwarded", "path"]
"""What tells the original method and target. `x-original`: X-Original-Method and X-Original-URI;
`x-forwarded`: X-Forwarded-Method and X-Forwarded-Uri, as Traefik and Caddy send them; `path`: the
request line itself, as in Envoy."""
ClientField: TypeAlias = Literal["x-forwarded-for", "x-real-ip"]
"""What tells the client's address."""

LOOPBACK: Final[list[Network]] = [
    ipaddress.ip_network("127.0.0.0/8"),
    ipaddress.ip_network("::1/128"),
]


class ForwardAuth(Settings):
    """The listener on which proxies ask whether they may forward a request."""

    listen: Addresses
    fields: OriginalFields
    client: ClientField = "x-forwarded-for"
    peers: Annotated[
        list[Annotated[Network, PlainValidator(values.network)]], Field(min_length=1)
    ] = LOOPBACK
    """The proxies that may ask. Whoever may ask tells the client's address and what it requests."""
