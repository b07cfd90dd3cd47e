"""Client addresses as networks: neighbours who are probably one client. Pure.

Tested in `tests/proxy/telemetry/test_usage.py`.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, ip_address, ip_network


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """The /24 of an IPv4 address, the /64 of an IPv6 one; `*` for what is none, a Unix socket."""
    try:
        client = ip_address(address.partition("%")[0])
    except ValueError:
        return "*"
    client = getattr(client, "ipv4_mapped", None) or client
    length = 24 if isinstance(client, IPv4Address) else 64
    return str(ip_network((client, length), strict=False))
