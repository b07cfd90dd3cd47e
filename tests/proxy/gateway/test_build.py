"""Configuration → runtime: each setting reaches its place, and every default is the configured one.

The settings of `Limits` that are not here act elsewhere: those of connections in
`tests/proxy/gateway/test_admission.py`, `drain_timeout` in `tests/proxy/gateway/test_server.py`.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from proxy.auth.authenticator import Authenticator
from proxy.auth.records import CachedRecords
from proxy.config import model
from proxy.config.model import Config
from proxy.config.route import DEFAULT_ROUTES
from proxy.config.upstream import Upstream
from proxy.domain.clock import now_ms
from proxy.domain.prefix import Prefix
from proxy.domain.routes import Access, Route, Target
from proxy.domain.split import Split
from proxy.gateway.build import build
from proxy.gateway.dialer import Dial
from proxy.gateway.pool import Pool
from proxy.gateway.runtime import Runtime, Timeouts
from proxy.http1 import head_scan
from proxy.store.open import open_store

UPSTREAM = {"url": "http://api.example:9000"}
MINIMAL = {"listen": "127.0.0.1:0", "upstreams": {"default": UPSTREAM}}

Build = Callable[..., Runtime]


@pytest.fixture
async def built(tmp_path: Path) -> AsyncIterator[Build]:
    """Builds the runtime of the smallest configuration with other settings."""
    tmp_path.chmod(0o700)
    store = await open_store(f"sqlite:///{tmp_path}/wardgate.db", create=True)
    records = CachedRecords(store)
    authenticator = Authenticator(records, store.seal_key, now_ms)

    def from_settings(connections: int = 10, **settings: Any) -> Runtime:
        config = Config.model_validate(MINIMAL | settings)
        shares = dict.fromkeys(config.upstreams, connections)
        return build(config, records, authenticator, shares)

    yield from_settings
    authenticator.close()
    await store.close()


LIMITS: dict[str, Callable[[Runtime], object]] = {
    "head_timeout": lambda runtime: runtime.timeouts.head,
    "head_size": lambda runtime: runtime.limits.head_size,
    "line_size": lambda runtime: runtime.limits.line_size,
    "fields": lambda runtime: runtime.limits.fields,
    "body_size": lambda runtime: routes_of(runtime, b"/x")[0].body_size,
    "body_idle_timeout": lambda runtime: runtime.timeouts.body_idle,
    "body_min_rate": lambda runtime: runtime.timeouts.body_min_rate,
    "keepalive_timeout": lambda runtime: runtime.timeouts.keepalive,
    "stalled_reader_timeout": lambda runtime: runtime.timeouts.stalled_reader,
    "tunnel_idle_timeout": lambda runtime: runtime.timeouts.tunnel_idle,
    "tunnel_drain": lambda runtime: runtime.timeouts.tunnel_drain,
}
DIAL = ("connect_timeout", "first_byte_timeout", "idle_timeout", "keepalive_timeout", "queue")


def the_pool(runtime: Runtime) -> Pool:
    """The pool of the only upstream."""
    (pool,) = runtime.pools.values()
    assert isinstance(pool, Pool)
    return pool


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_reaches_the_runtime_with_its_configured_default(built: Build, name: str) -> None:
    """Each value differs from all defaults, so that no two limits can be mixed up."""
    default = model.Limits.model_fields[name].default
    assert LIMITS[name](built()) == default
    other = 9001 + list(LIMITS).index(name)
    assert LIMITS[name](built(limits={name: other})) == other


def test_every_limit_is_built_here_or_acts_elsewhere() -> None:
    """A new limit fails this test until it has a place."""
    elsewhere = {"connections", "connections_per_source", "drain_timeout"}
    assert set(model.Limits.model_fields) == set(LIMITS) | elsewhere


@pytest.mark.parametrize("name", DIAL)
def test_a_setting_of_an_upstream_reaches_its_pool_with_its_configured_default(
    built: Build, name: str
) -> None:
    """Times are in seconds, as in the configuration."""
    default = Upstream.model_fields[name].default
    assert getattr(the_pool(built()).dial, name) == default
    other = 54 + DIAL.index(name)
    upstreams = {"default": UPSTREAM | {name: other}}
    assert getattr(the_pool(built(upstreams=upstreams)).dial, name) == other


def test_the_data_path_has_defaults_only_for_what_is_no_setting() -> None:
    """Every default of a setting is in `config` alone."""
    assert Dial._field_defaults == {}
    lingering = {"linger", "lingering_time", "lingering_timeout"}
    assert set(Timeouts._field_defaults) == {"body_window", "expect", "half_closed"} | lingering
    assert head_scan.Limits._field_defaults == {}


def test_an_upstream_has_the_connections_that_are_its_share(built: Build) -> None:
    """`max_connections` is what it would have with enough file handles."""
    upstreams = {"default": UPSTREAM | {"max_connections": 500}}
    assert the_pool(built(connections=20, upstreams=upstreams)).dial.max_connections == 20


@pytest.mark.parametrize(
    ("url", "dialled", "authority"),
    [
        ("http://api.example:9000", ("api.example", 9000, None), b"api.example:9000"),
        ("http://api.example", ("api.example", 80, None), b"api.example"),
        ("http://[::1]:9000", ("::1", 9000, None), b"[::1]:9000"),
        ("unix:/run/api.sock", ("", 0, "/run/api.sock"), b"localhost"),
    ],
)
def test_an_url_gives_the_address_and_the_host_field(
    built: Build, url: str, dialled: tuple[str, int, str | None], authority: bytes
) -> None:
    """An upstream without TLS has no context."""
    pool = the_pool(built(upstreams={"default": {"url": url}}))
    assert (pool.dial.host, pool.dial.port, pool.dial.unix_path) == dialled
    assert pool.origin.authority == authority
    assert pool.dial.tls is None


def test_an_upstream_over_tls_is_verified_unless_that_is_switched_off(built: Build) -> None:
    """The name that is verified may differ from the host."""
    secure = {"url": "https://10.0.0.1", "server_name": "api.example"}
    dial = the_pool(built(upstreams={"default": secure})).dial
    assert dial.tls
    assert (dial.tls.verify_mode, dial.tls.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert (dial.port, dial.server_name) == (443, "api.example")
    dial = the_pool(built(upstreams={"default": secure | {"verify": False}})).dial
    assert dial.tls
    assert dial.tls.verify_mode is ssl.CERT_NONE


def test_the_credentials_of_a_client_are_stripped_forwarded_or_replaced(
    built: Build, tmp_path: Path
) -> None:
    """Stripped is the default. A file holds the whole value of the field."""
    secret = tmp_path / "authorization"
    secret.write_text("Bearer of-the-gateway\n")
    origins = [
        the_pool(built(upstreams={"default": UPSTREAM | more})).origin
        for more in ({}, {"authorization": "forward"}, {"authorization_file": str(secret)})
    ]
    found = [(origin.authorization, origin.forward_authorization) for origin in origins]
    assert found == [(None, False), (None, True), (b"Bearer of-the-gateway", False)]


def test_the_host_of_a_client_is_replaced_unless_it_is_preserved(built: Build) -> None:
    """Replaced is the default."""
    preserved = {"default": UPSTREAM | {"preserve_host": True}}
    assert not the_pool(built()).origin.preserve_host
    assert the_pool(built(upstreams=preserved)).origin.preserve_host


def test_a_request_with_a_body_is_alone_unless_connections_are_always_used_again(
    built: Build,
) -> None:
    """Safe is the default."""
    assert the_pool(built()).origin.alone_with_body
    always = built(upstreams={"default": UPSTREAM | {"reuse": "always"}})
    assert not the_pool(always).origin.alone_with_body


def test_redirects_are_led_to_the_gateway_unless_they_are_passed_on(built: Build) -> None:
    """Led is the default."""
    redirects = the_pool(built()).origin.redirects
    assert redirects
    line = b"Location: http://api.example:9000/x\r\n"
    assert redirects.rewrite(line, b"http") == b"Location: /x\r\n"
    passed = built(upstreams={"default": UPSTREAM | {"redirects": "pass"}})
    assert the_pool(passed).origin.redirects is None


def test_upstreams_get_a_via_only_on_request(built: Build) -> None:
    """Off is the default, of the whole gateway."""
    assert not the_pool(built()).origin.via
    assert the_pool(built(via=True)).origin.via


def routes_of(runtime: Runtime, path: bytes) -> tuple[Route, ...]:
    """The routes of the pattern that matches a path."""
    target = runtime.decider._routes.find(path)
    assert isinstance(target, Target)
    return target.routes


def test_a_route_reaches_the_decision_with_all_its_settings(built: Build) -> None:
    """A route without an upstream has the only one, or else the one called `default`."""
    given = {
        "path": "/v1/{environment}/**",
        "methods": ["get", "POST"],
        "upstream": "other",
        "upgrades": ["mqtt"],
        "readonly_upgrades": True,
        "allow": ["%2F", ";"],
    }
    upstreams = {"default": UPSTREAM, "other": UPSTREAM}
    runtime = built(upstreams=upstreams, routes=[given, {"path": "/plain", "access": "public"}])
    assert routes_of(runtime, b"/v1/a/x") == (
        Route(
            "/v1/{environment}/**",
            Access.ENVIRONMENT,
            "other",
            frozenset({"GET", "POST"}),
            frozenset({"mqtt"}),
            True,
            frozenset({b"%2F", b";"}),
        ),
    )
    assert routes_of(runtime, b"/plain") == (Route("/plain", Access.PUBLIC, "default"),)
    alone = built(upstreams={"only": UPSTREAM}, routes=[{"path": "/plain"}])
    assert routes_of(alone, b"/plain") == (Route("/plain", Access.ACCOUNT, "only"),)


def test_what_a_route_does_on_the_way_to_the_upstream_reaches_the_decision(built: Build) -> None:
    """Its prefixes, timeouts and sizes, and how it is divided."""
    given = {
        "path": "/v1/**",
        "upstream": {"default": 5, "other": 95},
        "strip_prefix": "/v1",
        "add_prefix": "/api",
        "body_size": "1KiB",
        "first_byte_timeout": 7,
        "idle_timeout": 8,
    }
    upstreams = {"default": UPSTREAM, "other": UPSTREAM}
    runtime = built(upstreams=upstreams, routes=[given, {"path": "/**", "add_prefix": "/api/v2"}])
    (route,) = routes_of(runtime, b"/v1/x")
    assert (route.upstream, route.split) == ("other", Split((("default", 5), ("other", 95))))
    assert route.prefix == Prefix(b"/v1", b"/api")
    assert (route.body_size, route.first_byte_timeout, route.idle_timeout) == (1024, 7, 8)
    (route,) = routes_of(runtime, b"/x")
    assert (route.upstream, route.split, route.prefix) == (
        *("default", None),
        Prefix(b"", b"/api/v2"),
    )
    (route,) = routes_of(built(), b"/x")
    assert (route.split, route.prefix, route.body_size) == (None, None, None)


def test_the_access_log_names_upstreams_where_there_are_several(built: Build) -> None:
    """By a member of the line."""
    assert built().logged == {"default": b""}
    two = built(upstreams={"a": UPSTREAM, "b": UPSTREAM}, routes=[{"path": "/**", "upstream": "a"}])
    assert two.logged == {"a": b',"upstream":"a"', "b": b',"upstream":"b"'}


def test_the_names_of_fields_that_are_not_passed_on_are_those_of_the_configuration(
    built: Build,
) -> None:
    """In any spelling; another configuration has a table of its own."""
    assert built(strip_headers=["X-Tenant-*"]).fields[b"x_tenant_Id"] == (None, False)
    assert built().fields[b"x_tenant_Id"] == (None, True)


def test_the_default_routes_are_those_of_the_configuration(built: Build) -> None:
    """Each of them matches in the decision, in the same order."""
    runtime = built()
    for path, given in zip(
        (b"/v1/projects/a/x", b"/v2-beta/projects/a/x", b"/x"), DEFAULT_ROUTES, strict=True
    ):
        (route,) = routes_of(runtime, path)
        assert (route.path, route.access.value) == (given.path, given.access)


def test_each_runtime_has_a_generation_of_its_own(built: Build) -> None:
    """What was worked out under another configuration is recognized by it."""
    assert len({built().generation for _ in range(3)}) == 3


def test_trusted_proxies_reach_the_runtime(built: Build) -> None:
    """There are none by default."""
    assert list(built().trusted_proxies) == []
    runtime = built(trusted_proxies=["10.0.0.0/8"])
    assert list(runtime.trusted_proxies) == [ipaddress.ip_network("10.0.0.0/8")]
