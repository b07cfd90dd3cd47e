"""The settings of an upstream whose name resolves to many servers: how it is looked up.

Tested in `tests/proxy/config/test_resolve.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, PlainValidator

from proxy.config import values
from proxy.config.settings import Fault, Seconds, Settings
from proxy.config.values import Network


class Resolve(Settings):
    """How the name of an upstream is looked up in the DNS, again and again."""

    srv: Annotated[str, PlainValidator(values.dns_name)] | None = None
    """None: the addresses of the url's host."""
    family: Literal["ipv4", "ipv6", "both"] = "ipv4"
    """Of a server with both an IPv4 and an IPv6 address, `both` would make two targets."""
    servers: (
        Annotated[
            list[Annotated[tuple[str, int], PlainValidator(values.dns_server)]],
            Field(min_length=1, max_length=8),
        ]
        | None
    ) = None
    """None: those of /etc/resolv.conf. nginx has no such default."""
    networks: (
        Annotated[list[Annotated[Network, PlainValidator(values.network)]], Field(min_length=1)]
        | None
    ) = None
    """None: all but loopback, link-local and multicast addresses, which dnsmasq and unbound hold
    back too where they protect from rebinding."""
    min_ttl: Seconds = 1
    """Envoy: 1 (dns_min_refresh_rate)."""
    max_ttl: Seconds = 300
    """nginx: none."""
    timeout: Seconds = 5
    """resolv.conf(5): 5 for each try; Envoy: 5 (query_timeout_seconds)."""

    def rules(self) -> Iterator[Fault]:
        if self.max_ttl < self.min_ttl:
            yield "max_ttl", "should be at least min_ttl"
