"""`--wait`: a command that changes something ends once the change holds on all nodes. (With several
nodes, of which one may be dead: `tests/test_acknowledge.py`.)"""

from __future__ import annotations

import pytest

from tests.admin.cli.served import Served, environment, fresh


def new_key(served: Served) -> str:
    """The id of a new key."""
    return str(served.json("keys", "create", "--name", fresh("k"))["id"])


def test_with_one_node_a_change_holds_at_once(served: Served) -> None:
    """What the command prints is the same as without."""
    key = new_key(served)
    for action, state in (("deactivate", "inactive"), ("activate", "active")):
        yes = ["--yes"] if action == "deactivate" else []
        done = served.run("keys", action, key, *yes, "--wait", "--output", "json")
        assert (done.status, done.err) == (0, "")
        assert done.data["state"] == state


def test_the_word_after_it_is_what_the_command_is_about(served: Served) -> None:
    """Its time is given after `=` alone."""
    key = new_key(served)
    assert served.run("keys", "deactivate", "--yes", "--wait", key).status == 0
    assert served.run("keys", "activate", "--wait=0", key).status == 0
    assert served.run("keys", "activate", "--", "--wait").status == 4
    done = served.run("keys", "activate", "--wait=soon", key)
    assert done.status == 2
    assert "'--wait'" in done.err


def test_all_that_may_end_a_right_can_be_waited_for(served: Served) -> None:
    """Of keys, environments, accounts and members, and the settings."""
    slug, account = environment(served), fresh("account")
    key = served.json("keys", "create", "--environment", slug)["id"]
    served.json("accounts", "create", account)
    served.json("members", "add", slug, account, "--role", "owner")
    for command in (
        ["keys", "rotate", key, "--overlap", "1h"],
        ["keys", "edit", key, "--rate", "5/s"],
        ["keys", "deactivate", key, "--yes"],
        ["keys", "remove", key, "--yes"],
        ["members", "edit", slug, account, "--role", "member"],
        ["members", "remove", slug, account, "--yes"],
        ["accounts", "edit", account, "--description", "d"],
        ["accounts", "deactivate", account, "--yes"],
        ["accounts", "remove", account, "--yes"],
        ["environments", "edit", slug, "--description", "d"],
        ["environments", "deactivate", slug, "--yes"],
        ["environments", "remove", slug, "--yes"],
        ["settings", "set", "rotation_overlap", "24h"],
    ):
        done = served.run(*command, "--wait")
        assert (done.status, done.err) == (0, ""), command
    assert served.run("keys", "purge", key, "--yes", "--wait").status == 2


def test_the_help_says_how_it_ends(served: Served) -> None:
    """The exit status, and for how long it waits by default."""
    text = " ".join(served.run("keys", "deactivate", "--help").out.split())
    assert "--wait [=TIME] Wait until this holds on all nodes" in text
    assert "for 30s, or as in --wait=2m. The exit status is 4 if it does not by then." in text
    assert "4 not found, or with --wait done but not on all nodes yet" in " ".join(
        served.run("--help").out.split()
    )


def test_who_locks_itself_out_cannot_wait(served: Served) -> None:
    """The change is made; the credentials are refused then."""
    account = fresh("account")
    served.json("accounts", "create", account)
    key = served.json("keys", "create", "--account", account)
    done = served.run("keys", "deactivate", key["id"], "--yes", "--wait", **served.as_key(key))
    assert done.status == 3
    assert "inactive" in done.out


@pytest.mark.parametrize("command", [["keys", "create"], ["keys", "list"], ["audit", "list"]])
def test_what_ends_no_right_cannot_be_waited_for(served: Served, command: list[str]) -> None:
    """A key that is new is known nowhere yet."""
    assert served.run(*command, "--wait").status == 2
