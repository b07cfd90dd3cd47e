"""Where credentials come from, in which order, and that they go nowhere else."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

import proxy.__main__
from tests.admin.cli.served import Served

NONE = {"HOME": "/nonexistent"}
"""An environment in which there are no credentials."""


@pytest.fixture
def secret_file(served: Served, tmp_path: Path) -> Path:
    """The admin's secret in a file that only its owner reads."""
    file = tmp_path / "secret"
    file.touch(0o600)
    file.write_text(served.secret + "\n")
    return file


def test_missing_credentials_are_a_usage_error_that_names_every_way_to_give_them(
    served: Served,
) -> None:
    """Exit status 2."""
    done = served.process("keys", "list", **NONE)
    assert (done.status, done.out) == (2, "")
    for way in (".netrc", "--access-key", "--secret-key-file", "WARDGATE_SECRET_KEY"):
        assert way in done.err


def test_credentials_come_from_the_netrc_file(served: Served, tmp_path: Path) -> None:
    """From the entry for the URL's host; $NETRC names another file."""
    assert served.process("keys", "list").status == 0
    netrc = tmp_path / "mine"
    netrc.touch(0o600)
    netrc.write_text(f"machine 127.0.0.1 login {served.access_key} password {served.secret}")
    assert served.process("keys", "list", **NONE, NETRC=str(netrc)).status == 0
    netrc.write_text(f"machine other login {served.access_key} password {served.secret}")
    assert served.process("keys", "list", **NONE, NETRC=str(netrc)).status == 2


def test_the_secret_key_comes_from_a_file(served: Served, secret_file: Path) -> None:
    """An option or an environment variable names it."""
    option = ("--access-key", served.access_key, "--secret-key-file", str(secret_file))
    env = {"WARDGATE_ACCESS_KEY": served.access_key, "WARDGATE_SECRET_KEY_FILE": str(secret_file)}
    for done in (
        served.process("keys", "list", *option, **NONE),
        served.process("keys", "list", **NONE, **env),
    ):
        assert (done.status, done.err) == (0, "")


def test_the_secret_key_comes_from_standard_input(served: Served) -> None:
    """It is the only line there."""
    arguments = ("keys", "list", "--access-key", served.access_key, "--secret-key-file", "-")
    assert served.process(*arguments, input=served.secret + "\n", **NONE).status == 0
    assert served.process(*arguments, input="", **NONE).status == 2
    assert served.process(*arguments, input=f"{served.secret}\nmore\n", **NONE).status == 2


def test_the_secret_key_is_typed_at_a_terminal_without_being_shown(served: Served) -> None:
    """After a prompt."""
    arguments = ("keys", "list", "--access-key", served.access_key, "--secret-key-file", "-")
    done = served.at_terminal(*arguments, typed=served.secret + "\n", prompt="Secret", **NONE)
    assert done.status == 0
    assert served.access_key in done.out
    assert served.secret not in done.out


def test_the_command_line_goes_before_the_environment(served: Served, secret_file: Path) -> None:
    """And the environment goes before .netrc."""
    wrong = {"WARDGATE_ACCESS_KEY": "X", "WARDGATE_SECRET_KEY": "y"}
    assert served.process("keys", "list", **wrong).status == 3
    option = ("--access-key", served.access_key, "--secret-key-file", str(secret_file))
    assert served.process("keys", "list", *option, **wrong).status == 0
    url = ("--url", served.url)
    assert served.process("keys", "list", *url, WARDGATE_URL="http://127.0.0.1:1").status == 0


def test_an_access_key_alone_finds_its_secret_in_netrc_but_a_secret_alone_is_refused(
    served: Served, secret_file: Path
) -> None:
    """Two secrets are refused as well."""
    assert served.process("keys", "list", "--access-key", served.access_key).status == 0
    other = served.process("keys", "list", "--access-key", "OTHER")
    assert other.status == 2
    assert "OTHER" in other.err
    assert served.process("keys", "list", "--secret-key-file", str(secret_file)).status == 2
    two = {"WARDGATE_SECRET_KEY": "a", "WARDGATE_SECRET_KEY_FILE": str(secret_file)}
    done = served.process("keys", "list", **two)
    assert done.status == 2
    assert "both set" in done.err


@pytest.mark.parametrize("content", ["", "\n", "a\nb\n"])
def test_a_file_without_exactly_one_line_holds_no_secret_key(
    served: Served, tmp_path: Path, content: str
) -> None:
    """Exit status 2."""
    file = tmp_path / "secret"
    file.write_text(content)
    arguments = ("--access-key", "A", "--secret-key-file", str(file))
    assert served.run("keys", "list", *arguments).status == 2
    missing = served.run("keys", "list", *arguments[:3], str(tmp_path / "none"))
    assert missing.status == 2
    assert "No such file" in missing.err


def test_a_file_with_a_secret_that_others_can_read_causes_a_warning(
    served: Served, tmp_path: Path, secret_file: Path
) -> None:
    """It is used all the same."""
    secret_file.chmod(0o640)
    option = ("--access-key", served.access_key, "--secret-key-file", str(secret_file))
    done = served.process("keys", "list", *option)
    assert done.status == 0
    assert f"chmod 600 {secret_file}" in done.err
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login {served.access_key} password {served.secret}")
    netrc.chmod(0o644)
    done = served.process("keys", "list", NETRC=str(netrc))
    assert done.status == 0
    assert f"chmod 600 {netrc}" in done.err
    env = {"WARDGATE_ACCESS_KEY": served.access_key, "WARDGATE_SECRET_KEY": served.secret}
    assert served.process("keys", "list", NETRC=str(netrc), **env).err == ""


def test_an_access_key_with_a_colon_is_refused(served: Served) -> None:
    """Basic authentication would cut it at the colon."""
    env = {"WARDGATE_ACCESS_KEY": "a:b", "WARDGATE_SECRET_KEY": "c"}
    assert served.run("keys", "list", **env).status == 2


def commands(group: click.Group) -> list[click.Command]:
    """All commands beneath a group."""
    context = click.Context(group)
    found: list[click.Command] = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found += commands(command) if isinstance(command, click.Group) else [command]
    return found


def test_no_option_takes_a_secret() -> None:
    """Options about secrets take the name of a file."""
    every = commands(proxy.__main__.main)
    assert len(every) > 30
    for command in every:
        for param in command.params:
            words = {word for name in param.opts for word in name.strip("-").split("-")}
            if words & {"secret", "password", "token"}:
                assert param.opts[-1].endswith("-file")
