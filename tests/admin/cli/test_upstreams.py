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


def test_a_name_that_cannot_be_looked_up_has_a_row() -> None:
    """Below its targets, which stay as they are."""
    lookup = {"name": "api.internal", "type": "A", "reason": "SERVFAIL", "since": "x"}
    target = {"url": "http://10.0.0.1", "state": "up"}
    upstream = {"name": "a", "breaker": None, "targets": [target], "lookup": lookup}
    shown = _rows(upstream)[1]
    assert (shown["upstream"], shown["url"]) == ("a", "api.internal")
    assert (shown["state"], shown["reason"]) == ("lookup fails", "SERVFAIL")
    assert len(_rows(upstream | {"lookup": lookup | {"reason": None}})) == 1
