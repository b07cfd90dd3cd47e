"""An upstream whose name resolves to many servers: which of those in an answer are used, and when
to ask again. Pure.

The rule that lives here: a failure changes nothing. Only an answer with servers in it replaces the
one before, so that an outage of the DNS takes no server away.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from math import inf
from typing import Final, NamedTuple, TypeAlias

MOST_ENDPOINTS: Final = 256
"""As many as targets may be listed in the configuration."""
RETRY_MOST: Final = 30.0
"""Seconds after which a failed lookup is made again, at the latest; the first time after one."""

Network: TypeAlias = IPv4Network | IPv6Network


class LookupFailed(Exception):
    """A lookup gave no servers. The text says why."""


class Endpoint(NamedTuple):
    """One server in an answer. Its host is an IP address."""

    host: str
    port: int
    weight: int = 1
    priority: int = 0


class Answer(NamedTuple):
    """What a lookup found."""

    endpoints: Sequence[Endpoint]
    ttl: float
    """Seconds for which it counts: the least of all records that it was made of."""
    left_out: int = 0
    """How many servers there are beyond those that may be used."""


class Bounds(NamedTuple):
    """For how long an answer counts, whatever its TTL is. Seconds."""

    least: float
    most: float


def is_permitted(address: str, networks: Collection[Network] | None) -> bool:
    """Whether the DNS may lead to an IP address: one in `networks`, or where that is None, any but
    those that mean this machine, this link, or no single host, and those of IPv6 that stand for an
    IPv4 address, whichever (NAT64, 6to4, and the reserved ::/8). A mapped IPv4 address is none that
    the DNS should have (RFC 4291 section 2.5.5.2), and would pass for another."""
    ip = ip_address(address)
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        return False
    if networks is not None:
        return any(ip.version == each.version and ip in each for each in networks)
    return not (
        ip.is_loopback
        or ip.is_link_local
        or ip.is_multicast
        or ip.is_unspecified
        or ip.is_reserved
        or (isinstance(ip, IPv6Address) and ip.sixtofour is not None)
    )


def srv_weight(weight: int) -> int:
    """The weight of a target, of that of an SRV record. One of 0 gets what RFC 2782 gives it: next
    to nothing where others have more, and as much as any where all have 0."""
    return max(1, weight)


def ranked(found: Iterable[Endpoint]) -> list[Endpoint]:
    """The servers to use, the best priority first, in an order that does not depend on that of the
    answer, in which servers turn. One that is named twice has the sum of the weights, of those at
    its better priority."""
    best: dict[tuple[str, int], Endpoint] = {}
    for each in found:
        place = (each.host, each.port)
        known = best.get(place)
        if known is None or each.priority < known.priority:
            best[place] = each
        elif each.priority == known.priority:
            best[place] = known._replace(weight=known.weight + each.weight)
    return sorted(best.values(), key=_order)


def _order(endpoint: Endpoint) -> tuple[int, int, bytes, int]:
    ip = ip_address(endpoint.host)
    return endpoint.priority, ip.version, ip.packed, endpoint.port


class Discovered:
    """What is known of one name. All times are monotonic seconds."""

    __slots__ = ("bounds", "cause", "due", "endpoints", "failures", "since")

    def __init__(self, bounds: Bounds, now: float) -> None:
        self.bounds = bounds
        self.endpoints: Sequence[Endpoint] = ()
        """Of the last answer; none before the first."""
        self.cause = ""
        """Why the last lookup failed; empty where it did not."""
        self.since = now
        """Since when lookups work, or fail."""
        self.due = -inf
        """When to ask again."""
        self.failures = 0
        """How many lookups in a row have failed."""

    def found(self, answer: Answer, now: float) -> bool:
        """Note an answer, with one server at least, as `ranked` puts them. Returns whether others
        are to be used than before, or with other weights or priorities."""
        if self.cause or not self.endpoints:
            self.since = now
        self.cause, self.failures = "", 0
        self.due = now + self._bounded(answer.ttl)
        before, self.endpoints = self.endpoints, answer.endpoints
        return answer.endpoints != before

    def failed(self, cause: str, now: float) -> None:
        """Note a failure. The servers stay; the next lookup comes soon, and less soon each time."""
        if not self.cause:
            self.since = now
        self.cause = cause
        self.due = now + self._bounded(min(RETRY_MOST, 2.0 ** min(self.failures, 10)))
        self.failures += 1

    def go_on_as(self, old: Discovered) -> None:
        """Begin with the last answer of `old`, which is of the same name under an earlier
        configuration, and ask again at once."""
        self.endpoints, self.since = old.endpoints, old.since
        self.cause, self.failures = old.cause, old.failures

    def _bounded(self, seconds: float) -> float:
        return min(max(seconds, self.bounds.least), self.bounds.most)
