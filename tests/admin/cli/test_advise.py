"""`wardgate keys advise`: shows what a key was used for, and narrows its limits on request."""

from __future__ import annotations

from admin.cli.advise import COLUMNS, _differences
from tests.admin.cli.served import Served, environment


def test_a_key_that_was_not_used_gets_no_advice(served: Served) -> None:
    """Nothing is changed then, even with --apply."""
    slug = environment(served)
    key = served.json("keys", "create", "--environment", slug, "--rate", "5/s")
    shown = served.json("keys", "advise", key["id"])
    assert (shown["requests"], shown["used"], shown["networks"]) == (0, [], [])
    assert (shown["limits"], shown["narrower"]) == ({"rate": "5/s", "burst": 5}, False)
    assert "observed since" in served.run("keys", "advise", key["id"], "--days", "7").out
    done = served.run("keys", "advise", key["id"], "--apply", "--yes")
    assert (done.status, done.err) == (0, "nothing narrower is known\n")


def test_options_that_make_no_sense_are_wrong_usage(served: Served) -> None:
    """As is a change without a terminal that nobody has confirmed."""
    key = served.json("keys", "create")["id"]
    for options in (["--days", "0"], ["--days", "367"], ["--no-enforce"], ["--apply"]):
        assert served.run("keys", "advise", key, *options).status == 2


def test_advice_is_told_in_lines() -> None:
    """What was used, and what would be enough."""
    used = {"method": "GET", "route": "/v1/**", "environment": "prod", "requests": 3}
    advice = {
        "observedSince": "2026-01-01T00:00:00Z",
        "requests": 3,
        "used": [used | {"lastUsed": "2026-01-02T00:00:00Z"}],
        "networks": None,
        "unusedRoutes": ["/v2/**", "/admin"],
        "unusedEnvironments": ["test"],
        "limits": {"scopes": ["GET /v1/**"]},
    }
    assert {each.title: each.text(advice) for each in COLUMNS} == {
        "observed since": "2026-01-01T00:00:00Z",
        "requests": "3",
        "used": "GET /v1/** in prod (3, last on 2026-01-02)",
        "used from": "more than 16",
        "unused routes": "/v2/**; /admin",
        "unused environments": "test",
        "enough: networks": "",
        "enough: scopes": "GET /v1/**",
    }


def test_the_difference_is_told_entry_by_entry() -> None:
    """What is taken away, and what is added."""
    before = {"rate": "5/s", "scopes": ["* /a", "GET /b"]}
    after = {"rate": "5/s", "scopes": ["GET /b"], "networks": ["192.0.2.0/24"], "enforce": False}
    assert list(_differences(before, after)) == [
        "+ enforce: False",
        "+ networks: 192.0.2.0/24",
        "- scopes: * /a",
    ]
