"""File handles: no more clients than there are handles for, once upstreams have theirs."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from proxy.config import Config, load
from proxy.handles import SPARE, affordable_connections, raise_limit


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Two upstreams of 100 connections, and 1000 clients."""
    path = tmp_path / "wardgate.yaml"
    path.write_text(
        "listen: 127.0.0.1:0\n"
        "upstreams:\n"
        "  default: {url: 'http://127.0.0.1:1', max_connections: 100}\n"
        "  other: {url: 'http://127.0.0.1:2', max_connections: 100}\n"
        "limits: {connections: 1000}\n"
    )
    return load(path, {})


@pytest.mark.parametrize(
    ("handles", "clients"),
    [(1_000_000, 1000), (1200 + SPARE, 1000), (1199 + SPARE, 999), (200 + SPARE, 100), (9, 1)],
)
def test_what_can_be_afforded(config: Config, handles: int, clients: int) -> None:
    """As configured, or what is left, and never nobody."""
    assert affordable_connections(config, handles) == clients


def test_the_soft_limit_is_raised() -> None:
    """To what the system lets anybody have."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, before[1]), before[1]))
    try:
        assert raise_limit() == before[1]
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == before[1]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
