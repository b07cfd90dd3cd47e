"""`wardgate settings`: settings that change while the gateway runs."""

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


def test_a_setting_is_shown_with_its_value_and_default(settings: Served) -> None:
    """After it was set."""
    settings.json("settings", "set", "rotation_overlap", "2h")
    shown = settings.json("settings", "show", "rotation_overlap")
    assert (shown["value"], shown["default"]) == ("2h", "24h")
    table = settings.process("settings", "show", "rotation_overlap").out
    assert "2h" in table
    assert "rotation_overlap" in settings.run("settings", "list", "--quiet").out.split()


def test_a_malformed_value_of_a_setting_is_refused(settings: Served) -> None:
    """The message says what is expected."""
    done = settings.process("settings", "set", "rotation_overlap", "soon")
    assert done.status == 1
    assert "24h" in done.err


@pytest.mark.parametrize("name", ["no_such", "../apikeys", "", "%2e%2e"])
def test_an_unknown_setting_has_exit_status_4(served: Served, name: str) -> None:
    """Whatever its name would mean in a path."""
    for command in (("show", name), ("set", name, "on")):
        done = served.run("settings", *command)
        assert done.status == 4
        assert f"there is no setting {name}: " in done.err


def test_turning_access_control_off_needs_a_confirmation(settings: Served) -> None:
    """No other setting does."""
    arguments = ("settings", "set", "access_control", "off")
    assert settings.process(*arguments).status == 2
    assert settings.at_terminal(*arguments, typed="n\n").status == 1
    assert settings.json("settings", "show", "access_control")["value"] == "on"
    assert settings.json(*arguments, "--yes")["value"] == "off"
    assert settings.json("settings", "set", "access_control", "on")["value"] == "on"


def test_users_cannot_see_settings(served: Served) -> None:
    """Exit status 3 or 4."""
    account = served.json("accounts", "create", "no settings", "--with-key")
    assert served.run("settings", "list", **served.as_key(account["apiKey"])).status in {3, 4}
