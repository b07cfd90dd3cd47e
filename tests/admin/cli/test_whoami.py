"""`wardgate whoami`: the key that commands present."""

from __future__ import annotations

from tests.admin.cli.served import Served, environment, fresh


def test_whoami_shows_the_presented_key_and_its_owner(served: Served) -> None:
    """For keys of admins, of users and of environments."""
    assert served.run("whoami", "--quiet").out == "1c1\n"
    shown = served.process("whoami").out
    assert served.access_key in shown
    assert "account admin" in shown
    slug, name = environment(served), fresh("user")
    user = served.json("accounts", "create", name, "--with-key")["apiKey"]
    tied = served.json("keys", "create", "--environment", slug)
    for key, owner in ((user, "account"), (tied, "project")):
        found = served.json("whoami", **served.as_key(key))
        assert (found["id"], found["secretValue"]) == (key["id"], None)
        assert (found["owner"]["type"], found["owner"]["id"]) == (owner, key["accountId"])
    assert f"environment {slug}" in served.process("whoami", **served.as_key(tied)).out
    wrong = served.run("whoami", WARDGATE_ACCESS_KEY="A", WARDGATE_SECRET_KEY="b")
    assert (wrong.status, wrong.out) == (3, "")
    assert "whoami" in served.run("--help").out
    assert "--output" in served.run("whoami", "--help").out
