"""`wardgate members`: accounts with a role in an environment."""

from __future__ import annotations

from tests.admin.cli.served import Served, fresh


def test_a_member_is_added_listed_edited_and_removed(served: Served) -> None:
    """By names or ids."""
    slug, name = fresh("env"), fresh("user")
    project = served.json("environments", "create", slug, "--slug", slug)["id"]
    account = served.json("accounts", "create", name)["id"]
    added = served.json("members", "add", slug, name, "--role", "restricted")
    assert (added["projectId"], added["accountId"]) == (project, account)
    listed = served.json("members", "list", "--environment", slug, "--account", name)
    assert [member["role"] for member in listed] == ["restricted"]
    assert served.json("members", "edit", project, account, "--role", "member")["role"] == "member"
    assert served.run("members", "remove", slug, name).status == 2
    served.json("members", "remove", slug, name, "--yes")
    assert served.json("members", "list", "--account", name) == []


def test_the_removal_of_a_member_needs_a_confirmation(served: Served) -> None:
    """The question has both names, and the answer no changes nothing."""
    slug, name = fresh("env"), fresh("user")
    served.json("environments", "create", slug, "--slug", slug)
    served.json("accounts", "create", name)
    served.json("members", "add", slug, name, "--role", "member")
    done = served.at_terminal("members", "remove", slug, name, typed="n\n")
    assert done.status == 1
    assert f"Remove the account {name} from {slug}?" in done.out
    assert len(served.json("members", "list", "--account", name)) == 1


def test_an_account_that_is_not_a_member_has_exit_status_4(served: Served) -> None:
    """The message names the account and the environment."""
    slug, name = fresh("env"), fresh("user")
    served.json("environments", "create", slug, "--slug", slug)
    served.json("accounts", "create", name)
    done = served.process("members", "edit", slug, name, "--role", "owner")
    assert done.status == 4
    assert f"the account {name} is not a member of {slug}" in done.err


def test_an_owner_adds_members_by_their_id(served: Served) -> None:
    """Because a user cannot look up other accounts by name."""
    owner = served.json("accounts", "create", fresh("user"), "--with-key")["apiKey"]
    other = served.json("accounts", "create", fresh("user"))
    user = served.as_key(owner)
    made = served.json("environments", "create", "Theirs", **user)["id"]
    added = served.json("members", "add", made, other["id"], "--role", "member", **user)
    assert added["accountId"] == other["id"]
    by_name = served.run("members", "add", made, other["name"], "--role", "member", **user)
    assert by_name.status == 4
