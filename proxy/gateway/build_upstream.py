"""Configuration of an upstream → its pool, or its targets with a pool each.

Tested in `tests/proxy/gateway/test_build.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import inf

from aiohappyeyeballs import AddrInfoType

from proxy.config import targets as config_targets
from proxy.config.model import Config
from proxy.config.resolve import Resolve
from proxy.config.upstream import Upstream
from proxy.config.values import UpstreamUrl
from proxy.gateway import addresses
from proxy.gateway.balancer import Balancer
from proxy.gateway.dialer import Dial
from proxy.gateway.discovery import Discovery
from proxy.gateway.pool import Pool
from proxy.gateway.question import Asking, Question
from proxy.gateway.target import CheckRules, Rules, Target
from proxy.http1.outbound import Origin
from proxy.http1.redirects import Redirects
from proxy.targets.circuit import CircuitRules
from proxy.targets.discovery import Bounds, Endpoint
from proxy.targets.retries import RetryRules
from proxy.targets.thresholds import Thresholds


def connections_to(upstream: Upstream, config: Config, connections: int) -> Pool | Balancer:
    """What opens connections to an upstream, `connections` at most. One that is one server and asks
    for nothing else needs no balancer."""
    if upstream.resolve is not None and upstream.url is not None:
        return _discovering(upstream, upstream.url, upstream.resolve, config, connections)
    pools = list(_pools(upstream, upstream.servers, config, connections))
    if upstream.targets is None and upstream.checks is None and upstream.breaker is None:
        return pools[0]
    rules = _rules(upstream)
    return Balancer(_targets(upstream.servers, pools, rules), rules)


def _targets(
    servers: Sequence[config_targets.Target], pools: Sequence[Pool], rules: Rules
) -> list[Target]:
    return [
        Target(pool.url, pool, rules, weight=each.weight, priority=each.priority)
        for each, pool in zip(servers, pools, strict=True)
    ]


def _discovering(
    upstream: Upstream, url: UpstreamUrl, resolve: Resolve, config: Config, connections: int
) -> Balancer:
    """An upstream whose name resolves to its targets."""
    rules = _rules(upstream)

    def make(endpoints: Sequence[Endpoint]) -> list[Target]:
        servers = [
            config_targets.Target.model_construct(
                url=replace(url, host=each.host, port=each.port),
                weight=each.weight,
                priority=each.priority,
            )
            for each in endpoints
        ]
        if servers:
            pools = list(_pools(upstream, servers, config, connections))
            return _targets(servers, pools, rules)
        (pool,) = _pools(upstream, upstream.servers, config, connections, unknown)
        return _targets(upstream.servers, [pool], rules)

    question = Question(
        host=url.host or "",
        port=url.port or 0,
        srv=resolve.srv,
        family=resolve.family,
        networks=None if resolve.networks is None else tuple(resolve.networks),
    )
    servers = None if resolve.servers is None else tuple(resolve.servers)
    asking, bounds = Asking(servers, resolve.timeout), Bounds(resolve.min_ttl, resolve.max_ttl)
    discovery = Discovery(question, asking, bounds, make)
    return Balancer(discovery.targets, rules, discovery=discovery)


async def unknown(host: str) -> Sequence[AddrInfoType]:
    """The addresses of a name that the DNS has not answered yet: none, whatever the system says,
    which permits others. Raises OSError."""
    raise OSError(f"the DNS has no answer for {host} yet")


def _pools(
    upstream: Upstream,
    servers: Sequence[config_targets.Target],
    config: Config,
    connections: int,
    resolve: addresses.Resolve = addresses.resolve,
) -> Iterator[Pool]:
    """A pool for each server, which has its share of the connections."""
    most = sum(each.max_connections or upstream.max_connections for each in servers)
    statuses = frozenset() if upstream.ejection is None else frozenset(upstream.ejection.statuses)
    for each in servers:
        wanted = each.max_connections or upstream.max_connections
        dial = _dial(upstream, each, max(1, wanted * min(most, connections) // most))
        pool = Pool(_origin(upstream, each, config), dial, url=str(each.url), resolve=resolve)
        pool.bad_statuses = statuses
        yield pool


def _rules(upstream: Upstream) -> Rules:
    retries, checks = upstream.retries, upstream.checks
    return Rules(
        policy=upstream.balance,
        slow_start=upstream.slow_start,
        retries=RetryRules(
            retries.attempts,
            frozenset(method.encode() for method in retries.methods),
            retries.budget,
            retries.min_per_second,
        ),
        ejection=_circuit(upstream.ejection),
        checks=None if checks is None else _checks(checks),
        breaker=_circuit(upstream.breaker),
    )


def _circuit(given: config_targets.Ejection | config_targets.Breaker | None) -> CircuitRules | None:
    return None if given is None else CircuitRules(given.failures, given.time, given.max_time)


def _checks(checks: config_targets.Checks) -> CheckRules:
    return CheckRules(
        path=checks.path.encode(),
        host=None if checks.host is None else checks.host.encode(),
        interval=checks.interval,
        timeout=checks.timeout,
        thresholds=Thresholds(checks.healthy, checks.unhealthy),
        statuses=frozenset(checks.statuses or range(200, 400)),
    )


def _origin(upstream: Upstream, target: config_targets.Target, config: Config) -> Origin:
    authorization = upstream.authorization_value
    url = target.url if upstream.resolve is None else upstream.url or target.url
    authority = url.authority.encode()
    return Origin(
        authority=authority,
        preserve_host=upstream.preserve_host,
        authorization=authorization.get_secret_value().encode() if authorization else None,
        forward_authorization=upstream.authorization == "forward",
        alone_with_body=upstream.reuse == "safe",
        via=config.via,
        redirects=(
            Redirects(authority, tls=target.url.tls) if upstream.redirects == "rewrite" else None
        ),
    )


def _dial(upstream: Upstream, target: config_targets.Target, max_connections: int) -> Dial:
    return Dial(
        host=target.url.host or "",
        port=target.url.port or 0,
        unix_path=target.url.unix_path,
        tls=upstream.context,
        server_name=upstream.verified_name,
        connect_timeout=upstream.connect_timeout,
        first_byte_timeout=upstream.first_byte_timeout,
        idle_timeout=upstream.idle_timeout,
        keepalive_timeout=upstream.keepalive_timeout,
        max_connections=max_connections,
        queue=upstream.queue,
        max_age=upstream.max_age or inf,
        max_requests=upstream.max_requests or inf,
    )
