"""Limits at the command line: set, changed part by part, shown, and taken away."""

from __future__ import annotations

import pytest

from admin.cli.limits import edited_limits
from tests.admin.cli.served import Served, environment, fresh

ALL = (
    *("--rate", "100/s", "--burst", "200", "--quota", "10000/day"),
    *("--network", "10.0.0.0/8", "--network", "2001:db8::/32"),
    *("--scope", "GET /v1/**", "--scope", "GET,POST /v2/things"),
    *("--window", "Mon-Fri 08:00-18:00"),
)


def test_a_key_is_created_with_limits_which_show_tells(served: Served) -> None:
    """Each on a line of its own."""
    key = served.json("keys", "create", "--name", fresh("limited"), *ALL, "--no-enforce")
    assert key["limits"] == {
        "rate": "100/s",
        "burst": 200,
        "quota": "10000/day",
        "networks": ["10.0.0.0/8", "2001:db8::/32"],
        "scopes": ["GET /v1/**", "GET,POST /v2/things"],
        "window": "Mon-Fri 08:00-18:00",
        "enforce": False,
    }
    rows = dict(row for row in served.run("keys", "show", key["id"]).rows if len(row) == 2)
    assert rows["rate"] == "100/s, 200 at once"
    assert rows["quota"] == "10000/day"
    assert rows["networks"] == "10.0.0.0/8, 2001:db8::/32"
    assert rows["scopes"] == "GET /v1/**; GET,POST /v2/things"
    assert rows["hours in UTC"] == "Mon-Fri 08:00-18:00"
    assert rows["limits"] == "not enforced"


def test_an_edit_changes_the_limits_that_it_names(served: Served) -> None:
    """The others stay; `none` takes one away, and with a rate its burst goes too."""
    key = served.json("keys", "create", "--name", fresh("limited"), *ALL)["id"]

    def edited(*options: str) -> object:
        return served.json("keys", "edit", key, *options)["limits"]

    kept = {"networks": ["10.0.0.0/8"], "window": "Mon-Fri 08:00-18:00"}
    assert edited("--network", "10.0.0.0/8", "--scope", "none", "--quota", "none") == kept | {
        "rate": "100/s",
        "burst": 200,
    }
    assert edited("--rate", "50/s") == kept | {"rate": "50/s", "burst": 50}
    assert edited("--burst", "5", "--no-enforce") == kept | {
        "rate": "50/s",
        "burst": 5,
        "enforce": False,
    }
    assert edited("--rate", "none", "--enforce") == kept
    assert edited("--window", "none", "--network", "none") == {}


def test_environments_and_accounts_are_bounded_in_the_same_way(served: Served) -> None:
    """By an admin."""
    slug = environment(served)
    bounded = served.json("environments", "edit", slug, "--rate", "10/s")
    assert bounded["limits"] == {"rate": "10/s", "burst": 10}
    assert "10/s, 10 at once" in served.run("environments", "show", slug).out
    account = served.json("accounts", "create", fresh("account"))["id"]
    assert served.json("accounts", "edit", account, "--quota", "5/month")["limits"] == {
        "quota": "5/month"
    }


def test_a_malformed_limit_is_an_error_that_names_it(served: Served) -> None:
    """And says what is expected."""
    done = served.run("keys", "create", "--rate", "fast")
    assert done.status != 0
    assert "limits.rate should be a rate such as 100/s" in done.err


def test_explain_tells_what_is_left(served: Served) -> None:
    """And takes the address of the client."""
    key = served.json("keys", "create", "--rate", "10/s", "--network", "10.0.0.0/8")["id"]
    done = served.run("keys", "explain", "--key", key, "GET", "/v1/things")
    assert done.status == 0
    assert "key-rate 10/s: 10 left" in done.out
    elsewhere = ("--address", "192.0.2.1")
    done = served.run("keys", "explain", "--key", key, *elsewhere, "GET", "/v1/things")
    assert done.status == 1
    assert "network" in done.out


@pytest.mark.parametrize(
    ("before", "changes", "after"),
    [
        (None, {"rate": "1/s"}, {"rate": "1/s"}),
        (
            {"rate": "1/s", "burst": 9},
            {"quota": "5/day"},
            {"rate": "1/s", "burst": 9, "quota": "5/day"},
        ),
        ({"rate": "1/s", "burst": 9}, {"rate": "2/s", "burst": 3}, {"rate": "2/s", "burst": 3}),
        ({"rate": "1/s", "burst": 9}, {"rate": None}, {}),
        (
            {"enforce": False, "quota": "5/day"},
            {"enforce": True},
            {"enforce": True, "quota": "5/day"},
        ),
    ],
)
def test_a_change_is_put_together_with_what_there_is(
    before: dict[str, object] | None, changes: dict[str, object], after: dict[str, object]
) -> None:
    """The API takes limits as a whole."""
    assert edited_limits({"limits": before}, changes) == after
