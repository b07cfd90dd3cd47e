"""File handles are shared out before anybody takes one."""

from __future__ import annotations

import resource

import pytest

from proxy.config.model import Config
from proxy.gateway.admission import OWN, raise_limit, share

UPSTREAM = {"url": "http://127.0.0.1:9000"}


def config(*, admin: bool = True, **upstreams: int) -> Config:
    """A configuration whose upstreams have so many connections at most."""
    given = {name: UPSTREAM | {"max_connections": most} for name, most in upstreams.items()}
    listening = {"listen": "127.0.0.1:0"}
    return Config.model_validate(
        listening | {"upstreams": given, "admin": listening if admin else None}
    )


def test_with_enough_of_them_everybody_has_what_is_configured() -> None:
    """And the admin server what it may have at most."""
    clients, upstreams, admin = share(config(a=512, b=100), 20_000)
    assert (clients, upstreams, admin) == (16_000, {"a": 512, "b": 100}, 256)


@pytest.mark.parametrize("handles", [100, 256, 1024, 4096, 16_384])
@pytest.mark.parametrize("admin", [True, False])
def test_no_more_than_there_are(handles: int, admin: bool) -> None:
    """Whoever comes, the process keeps what it needs for itself, and each has a good part."""
    clients, upstreams, admin_share = share(config(admin=admin, a=512, b=100), handles)
    assert clients + sum(upstreams.values()) + admin_share + OWN <= handles
    assert clients >= (handles - OWN) // 3
    assert sum(upstreams.values()) >= min(611, (handles - OWN) // 3)
    assert bool(admin_share) == admin


def test_each_has_one_at_least() -> None:
    """Where there are next to none, something may still work."""
    clients, upstreams, _ = share(config(a=512, b=1), 50)
    assert (clients, upstreams["b"]) >= (1, 1)


def test_the_soft_limit_is_raised() -> None:
    """To what the system lets anybody have."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, before[1]), before[1]))
    try:
        assert raise_limit() == before[1]
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == before[1]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
