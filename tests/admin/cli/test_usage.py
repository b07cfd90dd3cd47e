"""`usage` of keys, environments and accounts: a chart for people, the report for programs."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest

from proxy.domain.usage import DAY, HOUR, Series, Sums
from proxy.store.sql.usage import ADD, to_values
from tests.admin.cli.served import Served, environment, fresh

NOON = int(datetime(2026, 3, 5, 12, tzinfo=UTC).timestamp() * 1000)
WITHIN = ("--from", "2026-03-05T10:00:00Z", "--to", "2026-03-05T13:00:00Z")


def use(
    served: Served, key: Mapping[str, Any], requests: int, *, ago: int = 0, **others: Any
) -> None:
    """Store what the gateway would have counted in the hour from noon, or `ago` before."""
    of_environment = int(others.pop("environment", "1a0").removeprefix("1a"))
    number = int(key["id"].removeprefix("1c"))
    series = Series(NOON - ago, number, of_environment, "/**", "GET", 2)._replace(**others)
    values = to_values(series, Sums(requests, 1000 * requests, 2_500_000, requests / 8))
    with closing(sqlite3.connect(served.folder / "var/wardgate.db")) as store:
        for sql in ADD:
            store.execute(sql, values)
        store.commit()


def test_a_chart_has_a_bar_for_every_hour_and_the_sums(served: Served) -> None:
    """Hours without requests have none; the longest bar is that of the most requests."""
    key = served.json("keys", "create", "--name", fresh("charted"))
    use(served, key, 1200)
    use(served, key, 1, ago=2 * HOUR, status=4, reason="read-only")
    use(served, key, 300, ago=2 * HOUR, status=5, reason="upstream")
    done = served.process("keys", "usage", key["name"], *WITHIN)
    assert (done.status, done.err) == (0, "")
    first, titles, *rows, counts, averages = done.out.splitlines()
    assert first == f"key {key['id']} ({key['name']}), 2026-03-05 10:00 to 2026-03-05 13:00 UTC"
    assert titles.split() == ["HOUR", "(UTC)", "REQUESTS", "REFUSED", "FAILED", "AVERAGE"]
    assert [row.split() for row in rows] == [
        ["2026-03-05", "10:00", "301", "█" * 6, "1", "300", "125", "ms"],
        ["2026-03-05", "11:00", "0", "0", "0"],
        ["2026-03-05", "12:00", "1,200", "█" * 20, "0", "0", "125", "ms"],
    ]
    assert counts == "1,501 requests, 1 refused, 300 failed"
    assert averages == "1.5 MB in, 7.5 MB out, 125 ms on average"
    assert served.run("keys", "usage", key["id"], *WITHIN, "--quiet").out == "1501\n"


def test_bars_are_plain_where_the_output_has_no_blocks(served: Served) -> None:
    """As in a terminal whose locale is ASCII."""
    key = served.json("keys", "create")
    use(served, key, 5)
    done = served.process("keys", "usage", key["id"], *WITHIN, PYTHONIOENCODING="ascii")
    assert "#" * 20 in done.out
    assert done.out.isascii()


def test_a_chart_fits_a_terminal_of_80_columns(served: Served) -> None:
    """No row is folded."""
    key = served.json("keys", "create")
    use(served, key, 12_345_678, status=5, reason="upstream")
    shown = served.at_terminal("keys", "usage", key["id"], *WITHIN).out.splitlines()
    assert len(shown) == 7
    assert max(map(len, shown[2:])) <= 80


def test_json_has_the_rows_of_the_report_and_their_sums(served: Served) -> None:
    """Rows without requests are not among them."""
    key = served.json("keys", "create")
    use(served, key, 8)
    use(served, key, 4, ago=2 * HOUR)
    sums = {"refused": 0, "failed": 0}
    report = served.json("keys", "usage", key["id"], *WITHIN)
    assert report == {
        "from": "2026-03-05T10:00:00Z",
        "to": "2026-03-05T13:00:00Z",
        "by": ["hour"],
        "total": {"requests": 12, **sums, "bytesIn": 12000, "bytesOut": 5_000_000, "seconds": 1.5},
        "data": [
            {"hour": "2026-03-05T10:00:00Z", "requests": 4, **sums}
            | {"bytesIn": 4000, "bytesOut": 2_500_000, "seconds": 0.5},
            {"hour": "2026-03-05T12:00:00Z", "requests": 8, **sums}
            | {"bytesIn": 8000, "bytesOut": 2_500_000, "seconds": 1.0},
        ],
    }
    done = served.run("keys", "usage", key["id"], *WITHIN, "--output", "yaml")
    assert "requests: 12" in done.out


def test_requests_are_told_apart_by_what_one_names(served: Served) -> None:
    """Other than by time, the most requests come first; what a request does not have is `none`."""
    key = served.json("keys", "create")
    use(served, key, 2)
    use(served, key, 3, method="POST", status=4, reason="read-only")
    use(served, key, 4, ago=3 * HOUR, method="PUT")
    command = ("keys", "usage", key["id"], "--from", "2026-03-05", "--to", "2026-03-06")
    rows = served.process(*command, "--by", "reason,method").out.splitlines()[2:-2]
    assert [row.split()[:3] for row in rows] == [
        ["none", "PUT", "4"],
        ["read-only", "POST", "3"],
        ["none", "GET", "2"],
    ]
    for by in ("hour", "day", "route", "method", "status", "reason", "key", "environment"):
        assert served.json(*command, "--by", by)["total"]["requests"] == 9
    days = served.process(*command, "--by", "day").out.splitlines()[2:-2]
    assert [row.split()[:2] for row in days] == [["2026-03-05", "9"]]
    both = served.process(*command, "--by", "day,status").out.splitlines()[1:-2]
    assert [row.split()[:3] for row in both] == [
        ["DAY", "(UTC)", "STATUS"],
        ["2026-03-05", "2xx", "6"],
        ["2026-03-05", "4xx", "3"],
    ]


@pytest.mark.parametrize(
    ("start", "by"), [("2026-03-02", ["day"]), ("2026-03-04", ["hour"]), ("2025-01-01", ["day"])]
)
def test_a_report_on_some_days_is_by_day_unless_one_names_something_else(
    served: Served, start: str, by: list[str]
) -> None:
    """A chart of a hundred hours could not be read."""
    key = served.json("keys", "create")
    use(served, key, 2, ago=DAY)
    command = ("keys", "usage", key["id"], "--from", start, "--to", "2026-03-06")
    assert served.json(*command)["by"] == by
    days = (datetime(2026, 3, 6) - datetime.fromisoformat(start)).days
    rows = served.process(*command).out.splitlines()[2:-2]
    assert len(rows) == (days if by == ["day"] else 24 * days)


def test_environments_and_accounts_have_usage_too(served: Served) -> None:
    """That of all keys of an account, and of all requests to an environment."""
    name, slug = fresh("account"), environment(served)
    served.json("accounts", "create", name)
    project = served.json("environments", "show", slug)["id"]
    for requests in (2, 3):
        key = served.json("keys", "create", "--account", name)
        use(served, key, requests, environment=project)
    for command in (("accounts", "usage", name), ("environments", "usage", slug)):
        report = served.json(*command, *WITHIN, "--by", "key")
        assert [row["requests"] for row in report["data"]] == [2, 3]
        shown = served.process(*command, *WITHIN, "--by", "key").out
        assert all(row["keyName"] in shown for row in report["data"])


def test_a_key_without_requests_in_the_time_says_so(served: Served) -> None:
    """By default the time is the last day; a duration may have the sign that the API wants."""
    key = served.json("keys", "create")
    use(served, key, 2)
    for when in ((), ("--from", "-7d"), ("--from", "7d", "--to", "-1h")):
        done = served.run("keys", "usage", key["id"], *when)
        assert (done.status, done.out.splitlines()[1:]) == (0, ["no requests in this time"])
        assert served.run("keys", "usage", key["id"], *when, "--quiet").out == "0\n"
    assert served.json("keys", "usage", key["id"])["data"] == []


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--by", "colour"], 2, "'colour' is not one of hour, day, route"),
        (["--by", ""], 2, "is not one of"),
        (["--from", "yesterday"], 2, "should be as in 7d"),
        (["--from", "2026-03-05", "--to", "2026-03-04"], 1, "later than from"),
    ],
)
def test_a_report_that_cannot_be_is_refused(
    served: Served, arguments: list[str], status: int, words: str
) -> None:
    """The message says what is wrong."""
    done = served.run("keys", "usage", "1c1", *arguments)
    assert done.status == status
    assert words in done.err
    assert served.run("keys", "usage", "1c999999").status == 4
