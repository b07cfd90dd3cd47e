"""Configuration → `Runtime`: what each setting means on the data path.

Every default is in `config`; none is repeated here.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Final

from proxy.auth.authenticator import Authenticator
from proxy.auth.decision import Decider
from proxy.auth.records import CachedRecords
from proxy.config import route as config_route
from proxy.config.cors import UPSTREAM
from proxy.config.model import Config
from proxy.domain.cors import Cors
from proxy.domain.gcra import Rate
from proxy.domain.header_rules import HeaderRules
from proxy.domain.methods import STANDARD
from proxy.domain.prefix import Prefix
from proxy.domain.presentation import Presentation
from proxy.domain.routes import Access, Route, Routes
from proxy.domain.split import Split
from proxy.domain.usage import DAY
from proxy.gateway.build_upstream import connections_to
from proxy.gateway.runtime import ForwardAuth, Runtime, Timeouts
from proxy.http1.cors import READ
from proxy.http1.fields import RequestTable
from proxy.http1.head_scan import Limits
from proxy.http1.original import Convention

_generations = itertools.count(1)


def build(
    config: Config,
    records: CachedRecords,
    authenticator: Authenticator,
    connections: dict[str, int],
) -> Runtime:
    """The runtime of a configuration. `connections` has the limit of connections by upstream.

    Nothing is read or opened, so this may be done in a thread.
    """
    given = config.limits
    accepted = _presentation(config.credentials)
    routes = _routes(config, accepted)
    return Runtime(
        generation=next(_generations),
        limits=Limits(given.head_size, given.line_size, given.fields),
        timeouts=Timeouts(
            head=given.head_timeout,
            keepalive=given.keepalive_timeout,
            body_idle=given.body_idle_timeout,
            body_min_rate=given.body_min_rate,
            stalled_reader=given.stalled_reader_timeout,
            tunnel_idle=given.tunnel_idle_timeout,
            tunnel_drain=given.tunnel_drain,
        ),
        fields=_fields(routes, accepted, config),
        decider=Decider(Routes(routes), records, authenticator, accepted),
        pools={
            name: connections_to(upstream, config, connections[name])
            for name, upstream in config.upstreams.items()
        },
        logged={
            name: b',"upstream":"%b"' % name.encode() if len(config.upstreams) > 1 else b""
            for name in config.upstreams
        },
        trusted_proxies=config.trusted_proxies,
        forward_auth=_forward_auth(routes, accepted, config),
        expiry_notice=config.expiry_notice_days * DAY,
    )


def _routes(config: Config, accepted: Presentation) -> list[Route]:
    default = next(iter(config.upstreams)) if len(config.upstreams) == 1 else "default"
    return [
        Route(
            path=route.path,
            access=Access(route.access),
            upstream=split.main if split else str(route.upstream or default),
            split=split,
            methods=frozenset(STANDARD if route.methods is None else route.methods),
            upgrades=frozenset(route.upgrades),
            readonly_upgrades=route.readonly_upgrades,
            allow=frozenset(mark.encode() for mark in route.allow),
            credentials=given,
            cors=_cors(route, given),
            upstream_cors=route.cors is UPSTREAM,
            rate=None if route.rate is None else Rate.parse(route.rate, route.burst),
            enforce_limits=route.enforce_limits,
            ratelimit_fields=route.ratelimit_fields,
            body_size=config.limits.body_size if route.body_size is None else route.body_size,
            prefix=_prefix(route),
            headers=_headers(route),
            first_byte_timeout=route.first_byte_timeout,
            idle_timeout=route.idle_timeout,
        )
        for route in config.routes
        for given in (_presentation(route.credentials) if route.credentials else accepted,)
        for split in (_split(route),)
    ]


def _split(route: config_route.Route) -> Split | None:
    given = route.upstream
    return Split(tuple(given.items())) if isinstance(given, dict) else None


def _headers(route: config_route.Route) -> HeaderRules | None:
    given = route.response_headers
    if given is None or not (given.set or given.remove):
        return None
    put = tuple((name.encode(), value.encode()) for name, value in given.set.items())
    return HeaderRules(put, tuple(name.encode() for name in given.remove))


def _prefix(route: config_route.Route) -> Prefix | None:
    strip, add = route.strip_prefix or "", route.add_prefix or ""
    return Prefix(strip.encode(), add.encode()) if strip or add else None


def _presentation(given: Sequence[str | Mapping[str, str]]) -> Presentation:
    names = [each["header"].lower().encode() for each in given if isinstance(each, Mapping)]
    schemes = frozenset(each.encode() for each in given if isinstance(each, str))
    return Presentation(schemes, names[0] if names else None)


def _cors(route: config_route.Route, accepted: Presentation) -> Cors | None:
    """The rules of a route; None where it has none, or leaves them to the upstream. Pages may send
    the fields by which a key is presented, and X-API-No-Challenge, which the gateway reads."""
    given = route.cors
    if given is None or given is UPSTREAM:
        return None
    methods = frozenset(given.methods or route.methods or STANDARD)
    own = {b"authorization", b"x-api-no-challenge", accepted.field or b"authorization"}
    return Cors(
        origins=frozenset(each.encode() for each in given.origins),
        methods=methods | {"HEAD"} if "GET" in methods else methods,
        fields=frozenset(own | {name.lower().encode() for name in given.headers}),
        expose=tuple(name.encode() for name in given.expose),
        credentials=given.credentials,
        max_age=given.max_age,
    )


_CONVENTIONS: Final = {
    "x-original": (b"x-original-method", b"x-original-uri"),
    "x-forwarded": (b"x-forwarded-method", b"x-forwarded-uri"),
    "path": (None, None),
}


def _forward_auth(
    routes: Sequence[Route], accepted: Presentation, config: Config
) -> ForwardAuth | None:
    given = config.forward_auth
    if given is None:
        return None
    convention = Convention(*_CONVENTIONS[given.fields], given.client.encode())
    return ForwardAuth(convention, _fields(routes, accepted, config, convention.names), given.peers)


def _fields(
    routes: Sequence[Route],
    accepted: Presentation,
    config: Config,
    more: frozenset[bytes] = frozenset(),
) -> RequestTable:
    """What is read of requests: no more than some route needs, and `more`."""
    ways = {accepted, *(route.credentials for route in routes)}
    cors = any(route.cors or route.upstream_cors for route in routes)
    pairs = {way.field for way in ways if way.field is not None}
    return RequestTable(
        read=more | READ if cors else more,
        pairs=pairs,
        strip=config.strip_headers,
        traced=config.tracing is not None,
    )
