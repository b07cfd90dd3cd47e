"""One lookup in the DNS: the servers behind a name, by address records or SRV records (RFC 2782).

It waits for the network and takes apart what comes, so it runs in a thread, and so does the import
of this module: dnspython takes long to import, and is needed only where a name is looked up.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

import dns.exception
import dns.message
import dns.name
import dns.nameserver
import dns.rcode
import dns.rdatatype
import dns.resolver

from proxy.gateway.question import Asking, Question
from proxy.targets.discovery import (
    MOST_ENDPOINTS,
    Answer,
    Endpoint,
    LookupFailed,
    is_permitted,
    ranked,
    srv_weight,
)

ABSENT: Final = 5.0
"""Seconds for which a host without addresses counts as absent."""
RESOLV_CONF: Final = "/etc/resolv.conf"

FAMILIES: Final = {"ipv4": ("A",), "ipv6": ("AAAA",), "both": ("A", "AAAA")}


class _Host(NamedTuple):
    """The addresses of a host name, and for how many seconds they count."""

    addresses: Collection[str]
    ttl: float


def look_up(question: Question, asking: Asking, resolv_conf: str = RESOLV_CONF) -> Answer:
    """The servers behind a name, and for how long they count. Takes `asking.timeout` seconds at
    most. `resolv_conf` is the file that names the DNS servers where `asking` does not. Raises
    `LookupFailed`."""
    lookup = _Lookup(question, asking, resolv_conf)
    try:
        found = lookup.by_srv(question.srv) if question.srv else lookup.by_address()
    except dns.resolver.NoResolverConfiguration:
        raise LookupFailed(f"{resolv_conf} names no DNS server") from None
    except (dns.exception.DNSException, OSError) as error:
        raise LookupFailed(_cause(error, asking)) from None
    permitted = [each for each in found.endpoints if is_permitted(each.host, question.networks)]
    if not permitted:
        refused = ", ".join(sorted({each.host for each in found.endpoints})[:3])
        raise LookupFailed(f"the answer has only addresses that are not permitted: {refused}")
    servers = ranked(permitted)
    left_out = found.left_out + max(0, len(servers) - MOST_ENDPOINTS)
    return Answer(servers[:MOST_ENDPOINTS], found.ttl, left_out)


class _Lookup:
    """One lookup, which may take several queries. All methods raise `LookupFailed` where there is
    nothing behind a name, and what dnspython raises where that is not known."""

    def __init__(self, question: Question, asking: Asking, resolv_conf: str) -> None:
        self._question = question
        self._kinds = FAMILIES[question.family]
        self._asking = asking
        self._resolv_conf = resolv_conf
        self._until = time.monotonic() + asking.timeout
        self._resolver: dns.resolver.Resolver | None = None

    def by_address(self) -> Answer:
        """Each address of the host is a server, at the port of the URL."""
        question = self._question
        host = self._host(question.host)
        if not host.addresses:
            raise LookupFailed(f"{question.host} has no {' and no '.join(self._kinds)} records")
        return Answer([Endpoint(each, question.port) for each in host.addresses], host.ttl)

    def by_srv(self, name: str) -> Answer:
        """Each SRV record names hosts, with a port, a weight and a priority."""
        answer = self._ask(name, "SRV")
        records = sorted(
            answer.rrset or (), key=lambda each: (each.priority, each.target, each.port)
        )
        if not records:
            raise LookupFailed(f"{name} has no SRV records")
        offered = [each for each in records if each.target != dns.name.root and each.port]
        if not offered:
            raise LookupFailed(f"{name} says that the service is not offered")
        hosts: dict[dns.name.Name, _Host] = {}
        endpoints: list[Endpoint] = []
        for each in offered[:MOST_ENDPOINTS]:
            if each.target not in hosts:
                hosts[each.target] = self._host_of(each.target, answer.response)
            endpoints += (
                Endpoint(address, each.port, srv_weight(each.weight), each.priority)
                for address in hosts[each.target].addresses
            )
        if not endpoints:
            raise LookupFailed(f"the hosts that {name} names have no addresses")
        ttls = [answer.chaining_result.minimum_ttl, *(each.ttl for each in hosts.values())]
        return Answer(endpoints, min(ttls), max(0, len(offered) - MOST_ENDPOINTS))

    def _host_of(self, target: dns.name.Name, response: dns.message.QueryMessage) -> _Host:
        """The addresses of an SRV record's host: those that came along, or else those that are
        found. A host that does not exist has none."""
        came = [
            each
            for each in response.additional
            if each.name == target and dns.rdatatype.to_text(each.rdtype) in self._kinds
        ]
        if came:
            addresses = [record.address for each in came for record in each]
            return _Host(addresses, min(each.ttl for each in came))
        try:
            return self._host(target)
        except dns.resolver.NXDOMAIN:
            return _Host((), ABSENT)

    def _host(self, name: str | dns.name.Name) -> _Host:
        answers = [self._ask(name, kind) for kind in self._kinds]
        addresses = [record.address for each in answers for record in each.rrset or ()]
        return _Host(addresses, min(each.chaining_result.minimum_ttl for each in answers))

    def _ask(self, name: str | dns.name.Name, kind: str) -> dns.resolver.Answer:
        left = self._until - time.monotonic()
        if left <= 0:
            raise LookupFailed(_late(self._asking))
        if self._resolver is None:
            self._resolver = _resolver(self._asking, self._resolv_conf)
        return self._resolver.resolve(
            name,
            kind,
            raise_on_no_answer=False,
            lifetime=left,
            search=self._asking.servers is None,
        )


def _resolver(asking: Asking, resolv_conf: str) -> dns.resolver.Resolver:
    """What asks the configured servers, or else those in a file as it is now."""
    if asking.servers is None:
        return dns.resolver.Resolver(resolv_conf)
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [dns.nameserver.Do53Nameserver(*each) for each in asking.servers]
    return resolver


def _cause(error: Exception, asking: Asking) -> str:
    """Why a lookup failed, in one line that holds nothing of what came but codes."""
    if isinstance(error, dns.resolver.NXDOMAIN):
        return "the name does not exist (NXDOMAIN)"
    if isinstance(error, dns.resolver.LifetimeTimeout):
        return _late(asking)
    if isinstance(error, dns.resolver.NoNameservers):
        return "; ".join(dict.fromkeys(_of_servers(error))) or "no DNS server answers"
    return str(error) or type(error).__name__


def _late(asking: Asking) -> str:
    return f"no answer within {asking.timeout:g} s"


def _of_servers(error: dns.resolver.NoNameservers) -> Iterator[str]:
    for server, _, _, why, response in error.kwargs["errors"]:
        code = None if response is None else dns.rcode.to_text(response.rcode())
        yield f"{server}: {code or why or type(why).__name__}"
