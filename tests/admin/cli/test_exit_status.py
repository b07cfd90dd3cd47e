"""What a command answers where something is missing, or the key has no right to it."""

from __future__ import annotations

from tests.admin.cli.served import Served, environment, fresh


def test_a_missing_key_account_or_environment_has_exit_status_4(served: Served) -> None:
    """The message names it."""
    for key in ("1c99999", "NOSUCHKEY"):
        done = served.process("keys", "show", key)
        assert done.status == 4
        assert key in done.err
    assert served.run("keys", "list", "--environment", "no-such").status == 4
    slug = environment(served)
    for missing in (
        ("keys", "create", "--account", "1a99999"),
        ("members", "add", slug, "1a99999", "--role", "member"),
    ):
        assert served.run(*missing).status == 4


def test_a_caller_without_permission_gets_exit_status_3(served: Served) -> None:
    """As does one with wrong credentials."""
    wrong = served.process("keys", "list", WARDGATE_ACCESS_KEY="A", WARDGATE_SECRET_KEY="b")
    assert wrong.status == 3
    assert "credentials" in wrong.err
    assert f"at {served.url} refused the credentials with the access key A: " in wrong.err
    reader = served.as_key(served.json("keys", "create", "--read-only"))
    refused = served.process("keys", "create", **reader)
    assert refused.status == 3
    assert refused.out == ""
    assert f"`wardgate whoami` shows the role of {reader['WARDGATE_ACCESS_KEY']}" in refused.err


def test_a_list_without_the_right_to_it_is_never_just_empty(served: Served) -> None:
    """Exit status 3; for an account or environment that the key may not see, 4."""
    slug, name = environment(served), fresh("user")
    account = served.json("accounts", "create", name, "--with-key")
    tied = served.json("keys", "create", "--environment", slug)
    for key in (served.as_key(account["apiKey"]), served.as_key(tied)):
        for command in (
            ("audit", "list"),
            ("audit", "export"),
            ("audit", "verify"),
            ("settings", "list"),
            ("settings", "show", "access_control"),
            ("settings", "set", "rotation_overlap", "1h"),
            ("accounts", "create", "n"),
        ):
            done = served.run(*command, **key)
            assert (done.status, done.out) == (3, ""), command
            assert "right" in done.err
        for command in (
            ("keys", "list", "--account", "1a1"),
            ("keys", "list", "--account", "admin"),
            ("accounts", "show", "1a1"),
        ):
            assert served.run(*command, **key).status in {3, 4}, command
    assert served.run("accounts", "list", **served.as_key(tied)).status == 3
    user = served.as_key(account["apiKey"])
    for command in (("keys", "list"), ("members", "list")):
        assert served.run(*command, "--environment", slug, **user).status == 4


def test_a_member_finds_the_key_of_an_environment_with_its_environment(served: Served) -> None:
    """Without --environment, users see only their own keys."""
    slug, name = environment(served), fresh("user")
    account = served.json("accounts", "create", name, "--with-key")
    served.json("members", "add", slug, name, "--role", "member")
    user = served.as_key(account["apiKey"])
    access_key = served.json("keys", "create", "--environment", slug, **user)["publicValue"]
    assert served.run("keys", "show", access_key, **user).status == 4
    shown = served.json("keys", "show", access_key, "--environment", slug, **user)
    assert shown["publicValue"] == access_key
