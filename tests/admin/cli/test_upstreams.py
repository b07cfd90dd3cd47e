"""`wardgate upstreams`: the targets of the upstreams, and how they do."""

from __future__ import annotations

from admin.cli.upstreams import _rows
from tests.admin.cli.served import Served


def test_targets_are_listed_with_their_states(served: Served) -> None:
    """JSON has the upstreams."""
    (upstream,) = served.json("upstreams", "list")
    assert upstream["id"] == "default"
    (target,) = upstream["targets"]
    table = served.process("upstreams", "list").out
    assert target["url"] in table
    assert target["state"] in table
    assert served.run("upstreams", "list", "--quiet").out == "default\n"


def test_an_open_breaker_is_shown_at_each_target() -> None:
    """Since none gets requests."""
    upstream = {"name": "a", "breaker": "open", "targets": [{"url": "http://b", "state": "up"}]}
    assert _rows(upstream) == [
        {"url": "http://b", "state": "up (breaker open)", "upstream": "a"},
    ]
