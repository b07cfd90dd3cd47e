"""`wardgate accounts` and `wardgate environments`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.admin.cli.served import Served, environment, fresh


def test_an_account_can_be_created_with_its_first_key(served: Served) -> None:
    """In one request; the key is shown once, and works."""
    name = fresh("account")
    done = served.process("accounts", "create", name, "--with-key")
    assert done.status == 0
    assert "Secret key (password):   wgs_" in done.out
    account = served.json("accounts", "create", fresh("account"), "--with-key")
    own = served.json("keys", "list", **served.as_key(account["apiKey"]))
    assert [key["id"] for key in own] == [account["apiKey"]["id"]]


def test_the_first_key_of_an_account_can_be_saved_to_a_file(served: Served, tmp_path: Path) -> None:
    """The file holds the key, not the account."""
    file = tmp_path / "key.json"
    arguments = ("accounts", "create", fresh("account"), "--with-key", "--quiet")
    assert served.run(*arguments).status == 2
    done = served.run(*arguments, "--save-key", str(file))
    key = json.loads(file.read_text())
    assert key["type"] == "apiKey"
    assert done.out == f"{key['accountId']}\n"
    assert served.run("accounts", "create", "n", "--save-key", str(tmp_path / "n")).status == 2


def test_accounts_are_created_and_listed_by_kind(served: Served) -> None:
    """With their description."""
    name = fresh("auditor")
    served.json("accounts", "create", name, "--kind", "readAdmin", "--description", "reads")
    found = served.json("accounts", "list", "--kind", "readAdmin", "--name", name)
    assert [(each["name"], each["description"]) for each in found] == [(name, "reads")]


@pytest.mark.parametrize(
    ("group", "field"), [("accounts", "kind"), ("environments", "slug"), ("keys", "publicValue")]
)
def test_a_name_that_several_resources_have_is_refused_with_their_ids(
    served: Served, group: str, field: str
) -> None:
    """With what else tells them apart; exit status 1, and nothing on standard output."""
    name = fresh("twin")
    arguments = ("--name", name) if group == "keys" else (name,)
    twins = [served.json(group, "create", *arguments) for _ in range(2)]
    assert served.run(group, "show", twins[0]["id"]).status == 0
    done = served.run(group, "show", name)
    assert (done.status, done.out) == (1, "")
    for each in twins:
        assert f"{each['id']} ({each[field]})" in done.err


def test_an_environment_and_a_key_are_found_by_their_names(served: Served) -> None:
    """A slug or an access key comes first."""
    slug, name = environment(served), fresh("Some thing")
    named = served.json("environments", "create", name)["id"]
    served.json("environments", "create", slug)  # its name is the slug of another
    assert served.json("environments", "show", name)["id"] == named
    assert served.json("environments", "show", slug)["slug"] == slug
    key = served.json("keys", "create", "--name", name, "--environment", name)["id"]
    assert served.json("keys", "show", name)["id"] == key
    assert served.json("keys", "show", name, "--environment", name)["id"] == key


@pytest.mark.parametrize("group", ["accounts", "environments"])
def test_deactivation_and_removal_need_a_confirmation_and_activation_does_not(
    served: Served, group: str
) -> None:
    """For accounts and environments alike, at a terminal or with --yes."""
    name = fresh("thing")
    ref = served.json(group, "create", name)["id"]
    assert served.process(group, "deactivate", ref).status == 2
    no = served.at_terminal(group, "deactivate", ref, typed="n\n")
    assert no.status == 1
    assert name in no.out
    assert served.json(group, "deactivate", ref, "--yes")["state"] == "inactive"
    assert served.json(group, "activate", ref)["state"] == "active"
    assert served.json(group, "edit", ref, "--description", "d")["description"] == "d"
    assert served.json(group, "deactivate", ref, "--yes")["state"] == "inactive"
    assert served.run(group, "remove", ref).status == 2
    assert served.json(group, "remove", ref, "--yes")["state"] == "removed"
    assert served.json(group, "show", ref)["state"] == "removed"
    assert ref not in served.run(group, "list", "--quiet").out.split()


@pytest.mark.parametrize("group", ["accounts", "environments"])
def test_a_resource_that_does_not_exist_is_named_with_exit_status_4(
    served: Served, group: str
) -> None:
    """By its id or its name, with the command that lists those that do."""
    for name in ("1a99999", "nobody"):
        done = served.run(group, "show", name)
        assert done.status == 4
        assert name in done.err


def test_a_slug_stands_for_the_id_of_an_environment(served: Served) -> None:
    """In every command."""
    slug = fresh("env")
    made = served.json("environments", "create", "Some environment", "--slug", slug)
    assert made["endpoint"] == f"{served.gateway}/v1/projects/{slug}"
    assert served.json("environments", "show", slug)["id"] == made["id"]
    assert served.json("environments", "edit", slug, "--name", "Other")["name"] == "Other"
    assert served.run("environments", "show", made["id"], "--quiet").out == f"{made['id']}\n"


def test_a_slug_that_is_taken_is_refused_with_the_name_of_the_field(served: Served) -> None:
    """The message is the admin server's."""
    slug = fresh("env")
    served.json("environments", "create", "a", "--slug", slug)
    done = served.process("environments", "create", "b", "--slug", slug)
    assert (done.status, done.out) == (1, "")
    assert "The value is taken" in done.err
    assert "(slug)" in done.err


def test_a_removed_key_is_found_only_by_its_id(served: Served) -> None:
    """By its name it is not, and the message says why."""
    name = fresh("gone")
    key = served.json("keys", "create", "--name", name)["id"]
    for action in ("deactivate", "remove"):
        assert served.run("keys", action, name, "--yes").status == 0
    done = served.run("keys", "purge", name, "--yes")
    assert done.status == 4
    assert "a removed one is found only by its id" in done.err
    assert served.run("keys", "purge", key, "--yes").status == 0
