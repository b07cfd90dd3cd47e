"""Which settings a reload changes: every one is either taken over, or kept and named."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.config.model import Admin, Config
from proxy.gateway.reload import KEPT, KEPT_OF_ADMIN, merge

SETTINGS = {"listen": "127.0.0.1:80", "upstreams": {"default": {"url": "http://h"}}}
ADMIN = {"listen": "127.0.0.1:81"}


def config(**settings: Any) -> Config:
    """The smallest configuration with other settings."""
    return Config.model_validate(SETTINGS | settings)


def test_every_setting_is_taken_over_or_kept() -> None:
    """A new setting fails this test until it is known which of the two it is."""
    taken = {
        *("tls", "public_url", "upstreams", "routes", "admin", "trusted_proxies", "limits"),
        *("access_log", "access_log_refusals", "credentials", "strip_headers", "via"),
        "expiry_notice_days",
    }
    assert Config.model_fields.keys() - KEPT.keys() == taken
    assert Admin.model_fields.keys() - KEPT_OF_ADMIN.keys() == {
        "tls",
        "hosts",
        "public_url",
        "oidc",
        "webhooks",
        "expiring_days",
    }


@pytest.mark.parametrize(
    ("name", "value"),
    {
        "listen": "127.0.0.1:8080",
        "forward_auth": {"listen": "127.0.0.1:8082", "fields": "path"},
        "store": "sqlite:///other.db",
        "bcrypt_rounds": 10,
        "access_control": False,
    }.items(),
)
def test_a_setting_that_cannot_change_is_kept_and_named(name: str, value: object) -> None:
    """With what to do about it."""
    running = config()
    merged, lines = merge(running, config(**{name: value}, public_url="http://public"))
    assert getattr(merged, name) == getattr(running, name)
    assert merged.public_url == "http://public"
    (line,) = lines
    assert line == f"{name} has changed, and is kept as it was: {KEPT[name]}"


def test_the_admin_server_keeps_its_addresses_and_takes_its_names() -> None:
    """Its listeners are open already."""
    running, given = ADMIN, {"listen": "127.0.0.1:82", "hosts": ["admin"]}
    merged, lines = merge(config(admin=running), config(admin=given))
    assert merged.admin is not None
    assert list(map(str, merged.admin.listen)) == ["127.0.0.1:81"]
    assert merged.admin.hosts == ["admin"]
    assert lines == ["admin.listen has changed, and is kept as it was: restart to apply"]


@pytest.mark.parametrize(("running", "given"), [(ADMIN, None), (None, ADMIN)])
def test_an_admin_server_neither_comes_nor_goes(
    running: dict[str, str] | None, given: dict[str, str] | None
) -> None:
    """Until a restart."""
    before = config(admin=running)
    merged, lines = merge(before, config(admin=given))
    assert merged.admin is before.admin
    assert lines == ["admin has changed, and is kept as it was: restart to apply"]


def test_nothing_is_named_where_nothing_differs() -> None:
    """However often the same configuration is read."""
    assert merge(config(admin=ADMIN), config(admin=ADMIN))[1] == []
