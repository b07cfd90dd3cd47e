"""Lists of keys: filtered, in order, and from all pages."""

from __future__ import annotations

import pytest

from tests.admin.cli.served import Served, environment, fresh
from tests.admin.cli.test_keys import status_with


def test_keys_are_listed_by_environment_state_and_name(served: Served) -> None:
    """A key must match all of the filters."""
    slug = environment(served)
    for name in ("build-1", "build-2", "other"):
        served.json("keys", "create", "--environment", slug, "--name", name)
    scope = ("keys", "list", "--environment", slug)
    assert [key["name"] for key in served.json(*scope)] == ["build-1", "build-2", "other"]
    builds = served.json(*scope, "--name", "build")
    assert [key["name"] for key in builds] == ["build-1", "build-2"]
    served.json("keys", "deactivate", builds[0]["id"], "--yes")
    inactive = served.json(*scope, "--name", "build", "--state", "inactive")
    assert [key["name"] for key in inactive] == ["build-1"]


def test_keys_that_expire_soon_are_listed(served: Served) -> None:
    """Keys that never expire are not."""
    slug = environment(served)
    for expires in ("never", "10d", "50d"):
        served.json("keys", "create", "--environment", slug, "--expires", expires)
    found = served.json("keys", "list", "--environment", slug, "--expiring", "30d")
    assert len(found) == 1
    assert served.run("keys", "list", "--expiring", "soon").status == 2


def test_keys_that_were_not_used_are_listed(served: Served) -> None:
    """Those never used; and those that are older than some time and were not used within it."""
    slug = environment(served)
    keys = [served.json("keys", "create", "--environment", slug) for _ in range(2)]
    scope = ("keys", "list", "--environment", slug)
    assert len(served.json(*scope, "--never-used")) == 2
    assert served.json(*scope, "--unused", "1d") == []
    assert status_with(served, keys[1]["publicValue"], keys[1]["secretValue"]) == 200
    while not served.json("keys", "show", keys[1]["id"])["lastUsed"]:
        pass  # uses are written every few seconds
    assert [key["id"] for key in served.json(*scope, "--never-used")] == [keys[0]["id"]]
    unused = served.json(*scope, "--unused", "0", "--sort", "last-used", "--desc")
    assert [key["id"] for key in unused] == [keys[1]["id"], keys[0]["id"]]
    assert served.run("keys", "list", "--unused", "long").status == 2


def test_a_search_finds_keys_environments_accounts_and_audit_entries(served: Served) -> None:
    """By a text in a field that people read, whatever its case."""
    name = fresh("needle")
    slug = environment(served)
    account = served.json("accounts", "create", name)["id"]
    served.json("environments", "edit", slug, "--name", name)
    keys = [served.json("keys", "create", "--account", account)["publicValue"] for _ in range(2)]
    text = name.upper()
    assert [one["id"] for one in served.json("accounts", "list", "--search", text)] == [account]
    assert [one["slug"] for one in served.json("environments", "list", "--search", text)] == [slug]
    by_access_key = ("keys", "list", "--account", account, "--sort", "access-key")
    assert [one["publicValue"] for one in served.json(*by_access_key)] == sorted(keys)
    found = served.json("keys", "list", "--search", keys[0][3:].lower())
    assert [one["publicValue"] for one in found] == keys[:1]
    audited = served.json("audit", "list", "--search", account, "--since", "1h", "--desc")
    assert audited[-1]["eventType"] == "account.create"


def test_keys_are_listed_in_order_up_to_a_limit(served: Served) -> None:
    """By --sort, --desc and --limit."""
    slug = environment(served)
    for name in ("b", "c", "a"):
        served.json("keys", "create", "--environment", slug, "--name", name)
    scope = ("keys", "list", "--environment", slug, "--sort", "name")
    assert [key["name"] for key in served.json(*scope)] == ["a", "b", "c"]
    assert [key["name"] for key in served.json(*scope, "--desc")] == ["c", "b", "a"]
    assert [key["name"] for key in served.json(*scope, "--limit", "2")] == ["a", "b"]


def test_a_list_has_the_resources_of_all_pages(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless --limit ends it."""
    slug = environment(served)
    for number in range(5):
        served.json("keys", "create", "--environment", slug, "--name", str(number))
    monkeypatch.setattr("admin.cli.client.PAGE", 2)
    scope = ("keys", "list", "--environment", slug)
    assert [key["name"] for key in served.json(*scope)] == list("01234")
    assert [key["name"] for key in served.json(*scope, "--limit", "3")] == list("012")


def test_quiet_prints_only_ids(served: Served) -> None:
    """One on each line, for other commands."""
    slug = environment(served)
    made = [served.json("keys", "create", "--environment", slug)["id"] for _ in range(2)]
    done = served.process("keys", "list", "--environment", slug, "--quiet")
    assert done.out.split() == made
    assert served.run("keys", "edit", made[0], "--name", "n", "--quiet").out == f"{made[0]}\n"
