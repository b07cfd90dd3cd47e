"""`wardgate settings`: what changes at run time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.admin.cli.served import Served


@pytest.fixture
def settings(served: Served) -> Iterator[Served]:
    """An admin server whose settings are put back afterwards."""
    before = served.json("settings", "list")
    yield served
    for each in before:
        served.json("settings", "set", each["name"], each["value"], "--yes")


def test_set_and_show(settings: Served) -> None:
    """A value is shown as it was set, beside its default."""
    settings.json("settings", "set", "rotation_overlap", "2h")
    shown = settings.json("settings", "show", "rotation_overlap")
    assert (shown["value"], shown["default"]) == ("2h", "24h")
    table = settings.process("settings", "show", "rotation_overlap").out
    assert "2h" in table
    assert "rotation_overlap" in settings.run("settings", "list", "--quiet").out.split()


def test_a_value_that_is_none(settings: Served) -> None:
    """Refused, with what is expected."""
    done = settings.process("settings", "set", "rotation_overlap", "soon")
    assert done.status == 1
    assert "24h" in done.err


@pytest.mark.parametrize("name", ["no_such", "../apikeys", "", "%2e%2e"])
def test_no_such_setting(served: Served, name: str) -> None:
    """Exit status 4, whatever the name would be in a path."""
    assert served.run("settings", "show", name).status == 4


def test_to_let_everybody_pass_is_asked_about(settings: Served) -> None:
    """And only that."""
    arguments = ("settings", "set", "access_control", "off")
    assert settings.process(*arguments).status == 2
    assert settings.at_terminal(*arguments, typed="n\n").status == 1
    assert settings.json("settings", "show", "access_control")["value"] == "on"
    assert settings.json(*arguments, "--yes")["value"] == "off"
    assert settings.json("settings", "set", "access_control", "on")["value"] == "on"


def test_users_see_none(served: Served) -> None:
    """Exit status 3 or 4: the admin server tells users nothing of settings."""
    account = served.json("accounts", "create", "no settings", "--with-key")
    assert served.run("settings", "list", **served.as_key(account["apiKey"])).status in {3, 4}
