"""`wardgate import htpasswd`: users keep their passwords."""

from __future__ import annotations

import subprocess
from pathlib import Path

import bcrypt
import pytest

from tests.admin.cli.served import Served, fresh
from tests.admin.cli.test_keys import status_with
from tests.programs import program


def hashed(password: str, kind: str = "2b", cost: int = 4) -> str:
    """An entry's hash."""
    made = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
    return f"${kind}${cost:02}{made[6:]}"


@pytest.fixture
def account(served: Served) -> str:
    """The name of a new account."""
    name = fresh("account")
    served.json("accounts", "create", name)
    return name


def test_imported_users_keep_their_passwords(served: Served, account: str, tmp_path: Path) -> None:
    """The name becomes the access key, the password the secret key."""
    file = tmp_path / "htpasswd"
    names = [fresh("user") for _ in range(3)]
    kinds = ("2y", "2a", "2b")
    file.write_text("".join(f"{n}:{hashed(n, k)}\n" for n, k in zip(names, kinds, strict=True)))
    done = served.process("import", "htpasswd", str(file), "--account", account)
    assert (done.status, done.err) == (0, "wardgate: 3 imported, 0 refused\n")
    for name in names:
        assert status_with(served, name, name) == 200
        assert status_with(served, name, "other") == 401
    keys = served.json("keys", "list", "--account", account)
    assert [key["publicValue"] for key in keys] == names


def test_an_import_into_an_environment_may_set_a_role(served: Served) -> None:
    """The environment is named by its slug, and the file is standard input."""
    slug, name = fresh("env"), fresh("user")
    served.json("environments", "create", slug, "--slug", slug)
    arguments = ("import", "htpasswd", "-", "--environment", slug, "--role", "readonly")
    done = served.process(*arguments, "--quiet", input=f"{name}:{hashed('p')}\n")
    assert done.status == 0
    key = served.json("keys", "show", name)
    assert (key["id"], key["role"]) == (done.out.strip(), "readonly")


def test_a_line_that_cannot_be_imported_is_listed_and_the_others_are_imported(
    served: Served, account: str, tmp_path: Path
) -> None:
    """With its number, name and reason, whether the command or the admin server refuses it."""
    first, second, third = (fresh("user") for _ in range(3))
    lines = [
        f"{first}:{hashed('p')}",
        "plain:password",
        f"bad name:{hashed('p')}",
        f"{third}:{hashed('p', cost=31)}",
        f"{first}:{hashed('q')}",
        f"{served.access_key}:{hashed('p')}",
        f"{second}:{hashed('p')}",
    ]
    file = tmp_path / "htpasswd"
    file.write_text("\n".join(lines))
    arguments = ("import", "htpasswd", str(file), "--account", account)
    dry = served.process(*arguments, "--dry-run")
    assert dry.status == 1
    assert "2 would be imported, 5 refused" in dry.err
    done = served.process(*arguments)
    assert done.status == 1
    assert "2 imported, 5 refused" in done.err
    assert [row[:2] + row[3:] for row in dry.rows if "refused" in row] == [
        row[:2] + row[3:] for row in done.rows if "refused" in row
    ]
    results = {row[0]: " ".join(row[1:]) for row in done.rows}
    assert results["1"].startswith(f"{first} imported 1c")
    assert "plain text" in results["2"]
    assert results["3"].startswith("bad name refused")
    assert "cost" in results["4"]
    assert "line 1" in results["5"]
    assert "taken" in results["6"]
    assert results["7"].startswith(f"{second} imported 1c")
    for shown in (dry.out, dry.err, done.out, done.err):
        assert "$2b$" not in shown
        assert lines[0].rpartition("$")[2] not in shown
    again = served.run(*arguments, "--output", "json")
    assert again.status == 1
    assert {each["result"] for each in again.data} == {"refused"}


def test_a_file_of_htpasswd_is_imported_as_it_is(
    served: Served, account: str, tmp_path: Path
) -> None:
    """Passwords of more than 72 bytes work; an empty one is refused, and the dry run says so."""
    file, long, empty = tmp_path / "htpasswd", fresh("user"), fresh("user")
    for name, password in ((long, "x" * 200), (empty, "")):
        create = ["-c"] * (not file.exists())
        command = [program("htpasswd"), *create, "-iB", "-C", "4", str(file), name]
        subprocess.run(command, input=password.encode(), capture_output=True, check=True)
    arguments = ("import", "htpasswd", str(file), "--account", account)
    for more, verb in ((("--dry-run",), "would be imported"), ((), "imported")):
        done = served.process(*arguments, *more)
        assert (done.status, done.err) == (1, f"wardgate: 1 {verb}, 1 refused\n")
        assert "empty password" in done.out
    assert status_with(served, long, "x" * 200) == 200
    assert status_with(served, long, "x" * 71) == 401
    assert status_with(served, empty, "") == 401


def test_a_dry_run_needs_the_same_rights_and_the_same_owner(served: Served, account: str) -> None:
    """Its exit status is that of the import, for each failure of the whole."""
    made = served.json("accounts", "create", fresh("user"), "--with-key")
    user = served.as_key(made["apiKey"])
    entry = f"{fresh('user')}:{hashed('p')}\n"
    for more in ((), ("--dry-run",)):
        arguments = ("import", "htpasswd", "-", *more)
        assert served.process(*arguments, "--account", made["id"], input=entry, **user).status == 3
        assert served.process(*arguments, "--account", "1a99999", input=entry).status == 4


def test_an_import_names_exactly_one_existing_owner(served: Served, tmp_path: Path) -> None:
    """An environment or an account."""
    file = tmp_path / "htpasswd"
    file.touch()
    both = ("--environment", "e", "--account", "a")
    assert served.run("import", "htpasswd", str(file)).status == 2
    assert served.run("import", "htpasswd", str(file), *both).status == 2
    assert served.run("import", "htpasswd", str(file), "--account", "1a99999").status == 4
    missing = served.run("import", "htpasswd", str(tmp_path / "none"), "--account", "a")
    assert missing.status == 2
    assert "No such file" in missing.err


def test_only_admins_can_import(served: Served, account: str) -> None:
    """For others the exit status is 3, and no key is created."""
    made = served.json("accounts", "create", fresh("user"), "--with-key")
    user = served.as_key(made["apiKey"])
    arguments = ("import", "htpasswd", "-", "--account", made["id"])
    name = fresh("user")
    done = served.process(*arguments, input=f"{name}:{hashed('p')}\n", **user)
    assert done.status == 3
    assert served.run("keys", "show", name).status == 4
