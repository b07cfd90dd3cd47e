"""What is looked up for an upstream whose name resolves to many, and who is asked: plain data.

There is nothing to test.
"""

from __future__ import annotations

from typing import NamedTuple

from proxy.targets.discovery import Network


class Question(NamedTuple):
    """What is looked up. Answers to equal questions are answers to each other."""

    host: str
    port: int
    """Of the servers, where it is not in their records."""
    srv: str | None
    """The name whose SRV records tell the servers; None: `host` has their addresses."""
    family: str
    """`ipv4`, `ipv6` or `both`."""
    networks: tuple[Network, ...] | None
    """Where addresses may be: see `discovery.is_permitted`."""

    @property
    def name(self) -> str:
        """The name that is looked up."""
        return self.srv or self.host


class Asking(NamedTuple):
    """Who is asked."""

    servers: tuple[tuple[str, int], ...] | None
    """Addresses and ports; None: those of /etc/resolv.conf."""
    timeout: float
    """Seconds that a lookup may take, with all its queries."""
