"""`wardgate keys`, at a terminal and in scripts."""

from __future__ import annotations

import json
import os
import re
import shlex
import stat
import subprocess
import urllib.error
import urllib.request
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from admin.cli.secret_uses import uses_of
from tests.admin.cli.served import Served, environment, fresh
from tests.programs import program


def status_with(served: Served, access_key: str, secret: str) -> int:
    """The status of the admin server's answer to a pair."""
    basic = b64encode(f"{access_key}:{secret}".encode()).decode()
    request = urllib.request.Request(
        f"{served.url}/v2-beta", headers={"Authorization": f"Basic {basic}"}
    )
    try:
        with urllib.request.urlopen(request) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_a_new_key_is_shown_once_with_lines_to_paste(served: Served) -> None:
    """The pair, a .netrc line, and curl lines without the secret for the key's endpoint."""
    slug, name = environment(served), fresh("key")
    done = served.process("keys", "create", "--environment", slug, "--name", name)
    assert (done.status, done.err) == (0, "")
    access_key = re.search(r"Access key \(user name\):  ([0-9A-F]{20})\n", done.out)
    secret = re.search(r"Secret key \(password\):   (wgs_\w{40})\n", done.out)
    assert access_key
    assert secret
    assert f"machine 127.0.0.1 login {access_key[1]} password {secret[1]}\n" in done.out
    endpoint = f"{served.gateway}/v1/projects/{slug}/"
    assert f"curl -n {endpoint.replace('//', f'//{access_key[1]}@', 1)}\n" in done.out
    assert f"curl -u {access_key[1]} {endpoint}\n" in done.out
    assert done.out.count(secret[1]) == 2
    shown = served.process("keys", "show", access_key[1])
    assert name in shown.out
    assert "wgs_" not in shown.out


def test_the_lines_to_paste_use_the_new_key(served: Served, tmp_path: Path) -> None:
    """Even if .netrc has another key for the host, and with an imported access key."""
    access_key = f"{fresh('ada')}+1@x.org"
    users = tmp_path / "users"
    users.write_text(f"{access_key}:$2y$05$jRzUdPrvLN6RQRLqSImxteLl/JF4rJ2DbgBvXvyWFwtnQyPjWOmGK\n")
    arguments = ("import", "htpasswd", str(users), "--environment", environment(served), "--quiet")
    key = served.run(*arguments).out.strip()
    shown = served.run("keys", "rotate", key, "--overlap", "0", "--yes").out
    (line,) = re.findall(r"  (machine .*)\n", shown)
    (curl,) = re.findall(r"  (curl -n .*)\n", shown)
    (tmp_path / ".netrc").write_text(f"machine 127.0.0.1 login OTHER password wrong\n{line}\n")
    command = [program("curl"), "-sS", "-w", "%{http_code}", "-o", os.devnull]
    command += shlex.split(curl)[1:]
    done = subprocess.run(
        command, env={"HOME": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "502"  # the gateway permits it, and no upstream listens


def test_a_new_key_as_json_is_the_resource_with_its_secret(served: Served) -> None:
    """The secret works, and nothing else is printed."""
    key = served.json("keys", "create", "--name", "data", "--description", "of a test")
    assert (key["type"], key["name"], key["description"]) == ("apiKey", "data", "of a test")
    assert status_with(served, key["publicValue"], key["secretValue"]) == 200


def test_a_new_key_can_be_saved_to_a_file_instead_of_shown(served: Served, tmp_path: Path) -> None:
    """In a new file that only its owner can read. --quiet needs it, so that no secret is lost."""
    file = tmp_path / "key.json"
    done = served.run("keys", "create", "--quiet", "--save-key", str(file))
    saved = json.loads(file.read_text())
    assert done.out == f"{saved['id']}\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert status_with(served, saved["publicValue"], saved["secretValue"]) == 200
    shown = served.run("keys", "create", "--save-key", str(tmp_path / "2"), "--output", "json")
    assert shown.data["secretValue"] is None
    count = len(served.json("keys", "list"))
    again = served.run("keys", "create", "--save-key", str(file))
    assert (again.status, again.err) == (
        1,
        f"wardgate: {file} already exists and is not overwritten: name a new file\n",
    )
    lost = served.run("keys", "create", "--quiet")
    assert lost.status == 2
    assert "--save-key" in lost.err
    assert len(served.json("keys", "list")) == count


def test_no_file_is_left_if_no_key_was_created(served: Served, tmp_path: Path) -> None:
    """As when the admin server refuses the request."""
    file = tmp_path / "key.json"
    arguments = ("keys", "create", "--account", "1a99999", "--save-key", str(file))
    assert served.run(*arguments).status == 4
    assert not file.exists()


@pytest.mark.parametrize(
    ("expires", "expected"),
    [
        ("2030-01-31", "2030-01-31T00:00:00Z"),
        ("2030-01-31T12:00:00Z", "2030-01-31T12:00:00Z"),
        ("2030-01-31T12:00:00+02:00", "2030-01-31T10:00:00Z"),
        ("never", None),
    ],
)
def test_a_key_expires_at_a_date_at_a_time_or_never(
    served: Served, expires: str, expected: str | None
) -> None:
    """A date is the moment when it begins in UTC."""
    assert served.json("keys", "create", "--expires", expires)["expires"] == expected


def test_a_duration_until_expiry_counts_from_now(served: Served) -> None:
    """90 days are 90 days from now."""
    key = served.json("keys", "create", "--expires", "90d")
    left = datetime.fromisoformat(key["expires"]) - datetime.now(UTC)
    assert timedelta(days=89) < left < timedelta(days=91)


@pytest.mark.parametrize("expires", ["tomorrow", "90", "2030-02-30", "2030-01-31T12:00:00", "9d9h"])
def test_a_malformed_expiry_is_a_usage_error_with_examples(served: Served, expires: str) -> None:
    """Exit status 2."""
    done = served.run("keys", "create", "--expires", expires)
    assert done.status == 2
    assert "2030-01-31T12:00:00Z or never" in done.err


def test_read_only_is_the_role_readonly(served: Served) -> None:
    """It excludes other roles."""
    assert served.json("keys", "create", "--read-only")["role"] == "readonly"
    assert served.json("keys", "create", "--role", "member")["role"] == "member"
    assert served.run("keys", "create", "--read-only", "--role", "owner").status == 2


def test_a_key_is_created_for_an_account_by_its_name_or_id(served: Served) -> None:
    """But not for an account and an environment at once."""
    name = fresh("account")
    account = served.json("accounts", "create", name)
    for called in (name, account["id"]):
        assert served.json("keys", "create", "--account", called)["accountId"] == account["id"]
    found = served.json("keys", "list", "--account", name)
    assert [key["accountId"] for key in found] == [account["id"]] * 2
    both = ("--account", name, "--environment", "e")
    assert served.run("keys", "create", *both).status == 2
    assert served.run("keys", "list", *both).status == 2


def test_a_key_that_does_not_work_shows_why(served: Served) -> None:
    """In place of its state, and as a sentence. --state finds expired keys, and leaves them out."""
    slug, name = environment(served), fresh("gone")
    scope = ("keys", "list", "--environment", slug)
    soon = (datetime.now(UTC) + timedelta(seconds=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    short = served.json("keys", "create", "--environment", slug, "--expires", soon)["id"]
    lasting = served.json("keys", "create", "--environment", slug)["id"]
    while served.json("keys", "show", short)["expired"] is False:
        pass
    states = {row[0]: row[1] for row in served.process(*scope).rows}
    assert (states[short], states[lasting]) == ("expired", "active")
    assert [each["id"] for each in served.json(*scope, "--state", "expired")] == [short]
    assert [each["id"] for each in served.json(*scope, "--state", "active")] == [lasting]
    assert "The key has expired." in served.process("keys", "show", short).out
    served.json("accounts", "create", name)
    orphan = served.json("keys", "create", "--account", name)["id"]
    served.json("accounts", "deactivate", name, "--yes")
    shown = served.process("keys", "show", orphan).out
    assert "owner inactive" in shown
    assert "The key's account or environment is not active." in shown


def states_of(served: Served, key: str) -> list[Any]:
    """Take a key through all states, and return them."""
    actions = [["deactivate", "--yes"], ["activate"], ["deactivate", "--yes"], ["remove", "--yes"]]
    return [served.json("keys", *action, key)["state"] for action in actions]


def test_a_key_is_activated_deactivated_and_removed_by_id_or_access_key(served: Served) -> None:
    """It goes through all states."""
    states = ["inactive", "active", "inactive", "removed"]
    assert states_of(served, served.json("keys", "create")["id"]) == states
    assert states_of(served, served.json("keys", "create")["publicValue"]) == states


def test_an_active_key_is_not_removed(served: Served) -> None:
    """The message says why."""
    key = served.json("keys", "create")["id"]
    done = served.run("keys", "remove", key, "--yes")
    assert (done.status, done.err) == (1, "wardgate: what is active cannot be removed\n")


def test_the_name_and_the_description_of_a_key_are_edited(served: Served) -> None:
    """At least one of them must be given."""
    key = served.json("keys", "create", "--name", "old")["id"]
    edited = served.json("keys", "edit", key, "--description", "new")
    assert (edited["name"], edited["description"]) == ("old", "new")
    assert served.json("keys", "edit", key, "--name", "newer")["name"] == "newer"
    assert served.run("keys", "edit", key).status == 2


def test_the_role_and_the_expiry_of_a_key_are_edited(served: Served) -> None:
    """An expiry is given as for a new key. A key that is not permitted to: exit status 3."""
    key = served.json("keys", "create", "--name", "old", "--role", "member")
    path = ("keys", "edit", key["id"])
    assert served.json(*path, "--role", "readonly")["role"] == "readonly"
    assert served.json(*path, "--expires", "2099-01-31")["expires"] == "2099-01-31T00:00:00Z"
    assert served.json(*path, "--expires", "never")["expires"] is None
    assert served.run(*path, "--expires", "soon").status == 2
    served.json(*path, "--role", "member")
    assert served.run(*path, "--role", "owner", **served.as_key(key)).status == 3


def test_the_removal_of_a_key_needs_a_confirmation(served: Served) -> None:
    """At a terminal, or by --yes. Without either, nothing is done and the exit status is 2."""
    name = fresh("key")
    key = served.json("keys", "create", "--name", name)["id"]
    served.json("keys", "deactivate", key, "--yes")
    done = served.process("keys", "remove", key)
    assert done.status == 2
    assert "--yes" in done.err
    no = served.at_terminal("keys", "remove", key, typed="n\n")
    assert no.status == 1
    assert f"Remove the key {key} ({name}) for good?" in no.out
    assert served.json("keys", "show", key)["state"] == "inactive"
    assert served.at_terminal("keys", "remove", key, typed="y\n").status == 0
    assert served.json("keys", "show", key)["state"] == "removed"


def test_the_deactivation_of_a_key_needs_a_confirmation(served: Served) -> None:
    """Because clients are refused at once, perhaps also the caller."""
    key = served.json("keys", "create")
    without = served.process("keys", "deactivate", key["id"])
    assert without.status == 2
    assert "--yes" in without.err
    own = served.as_key(key)
    assert served.at_terminal("keys", "deactivate", key["id"], typed="n\n", **own).status == 1
    assert served.json("keys", "show", key["id"], **own)["state"] == "active"
    assert served.at_terminal("keys", "deactivate", key["id"], typed="y\n", **own).status == 0
    assert served.run("keys", "show", key["id"], **own).status == 3


def test_who_deactivates_the_key_in_use_is_warned(served: Served) -> None:
    """With a question at a terminal, and with --yes too; also for the account of that key."""
    name = fresh("admin")
    account = served.json("accounts", "create", name, "--kind", "admin", "--with-key")
    own, other = account["apiKey"], served.json("keys", "create")
    presented = served.as_key(own)
    no = served.at_terminal("keys", "deactivate", own["id"], typed="n\n", **presented)
    assert no.status == 1
    assert "this command presents the key" in no.out
    assert "Deactivate the key" in no.out
    done = served.run("keys", "deactivate", other["id"], "--yes", **presented)
    assert (done.status, done.err) == (0, "")
    no = served.at_terminal("accounts", "deactivate", name, typed="n\n", **presented)
    assert no.status == 1
    assert "this command presents the account" in no.out
    rotated = served.json("keys", "rotate", other["id"])
    assert rotated["id"] == other["id"]
    assert "wherever it is kept" in served.run("keys", "rotate", own["id"], **presented).err
    done = served.run("keys", "deactivate", own["id"], "--yes", **presented)
    assert done.status == 0
    assert "you need another key" in done.err
    assert served.run("keys", "show", own["id"], **presented).status == 3


def test_a_removed_key_is_purged(served: Served) -> None:
    """After a confirmation, and only once it is removed. The same goes for accounts."""
    key = served.json("keys", "create")["id"]
    assert served.run("keys", "purge", key, "--yes").status == 1
    assert states_of(served, key)[-1] == "removed"
    done = served.process("keys", "purge", key)
    assert done.status == 2
    assert "--yes" in done.err
    assert served.json("keys", "purge", key, "--yes")["state"] == "purged"
    assert served.run("keys", "show", key).status == 4
    account = served.json("accounts", "create", fresh("gone"))["id"]
    for action in ("deactivate", "remove", "purge"):
        served.json("accounts", action, account, "--yes")
    assert served.run("accounts", "show", account).status == 4


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
    wrong = served.run("whoami", WARDGATE_ACCESS_KEY="A", WARDGATE_SECRET_KEY="b")
    assert (wrong.status, wrong.out) == (3, "")
    assert "whoami" in served.run("--help").out
    assert "--output" in served.run("whoami", "--help").out


def test_a_rotated_key_has_a_new_secret_beside_the_old_one(served: Served) -> None:
    """The access key stays, and the old secret is valid for the overlap."""
    key = served.json("keys", "create")
    rotated = served.json("keys", "rotate", key["id"], "--overlap", "1h")
    assert (rotated["id"], rotated["publicValue"]) == (key["id"], key["publicValue"])
    for secret in (key["secretValue"], rotated["secretValue"]):
        assert status_with(served, key["publicValue"], secret) == 200


def test_a_rotated_key_shows_which_of_its_secrets_is_used(served: Served) -> None:
    """And when the old one ends by itself, if that was asked for."""
    key = served.json("keys", "create")
    shown = served.run("keys", "show", key["id"]).out
    assert "new secret" not in shown
    rotated = served.json("keys", "rotate", key["id"], "--finish-when-quiet", "3d")
    assert rotated["secrets"][1]["finishWhenQuiet"] == "3d"
    shown = served.run("keys", "show", key["id"]).out
    assert re.search(r"new secret +not used since the rotation\n", shown)
    ends = rotated["secrets"][1]["quietAt"]
    unless = f"not used since the rotation, ends at {ends} unless it is used again"
    assert re.search(rf"old secret +{unless}\n", shown)
    assert served.run("keys", "rotate", key["id"], "--finish-when-quiet", "soon").status == 2


def test_the_uses_of_a_secret_are_told_in_a_line() -> None:
    """How often, since when, and from where last."""
    used = {"firstUsed": "A", "lastUsed": "B", "lastUsedAddress": "192.0.2.1", "useCount": 2}
    key = {"secrets": [{"secret": "current", "useCount": 0}, {"secret": "previous", **used}]}
    assert uses_of("previous")(key) == "used 2 times since A, last at B from 192.0.2.1"
    assert uses_of("current")(key) == "not used since the rotation"
    assert uses_of("current")({"secrets": [used]}) is None


def test_a_rotation_that_ends_a_secret_at_once_needs_a_confirmation(served: Served) -> None:
    """Without overlap, or when a third secret ends the first one."""
    key = served.json("keys", "create")
    assert served.run("keys", "rotate", key["id"], "--overlap", "0").status == 2
    assert served.run("keys", "rotate", key["id"], "--overlap", "0h").status == 2
    served.json("keys", "rotate", key["id"])
    done = served.run("keys", "rotate", key["id"])
    assert done.status == 2
    assert "--yes" in done.err
    last = served.json("keys", "rotate", key["id"], "--overlap", "0", "--yes")
    assert status_with(served, key["publicValue"], key["secretValue"]) == 401
    assert status_with(served, key["publicValue"], last["secretValue"]) == 200
