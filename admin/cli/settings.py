"""`wardgate settings`: settings that an admin changes while the gateway runs."""

from __future__ import annotations

import re

import click

from admin.cli.admin_client import AdminClient
from admin.cli.errors import NotFound
from admin.cli.options import api_command, confirm, require_terminal, yes_option
from admin.cli.output import Column, Output
from admin.cli.printable import printable
from admin.cli.wait import wait_everywhere, wait_option

COLUMNS = (
    Column("NAME", "name", no_wrap=True),
    Column("VALUE", "value", no_wrap=True),
    Column("DEFAULT", "default", no_wrap=True),
    Column("DESCRIPTION", "description"),
)

group = click.Group("settings")


@api_command(group, "list")
def list_settings(client: AdminClient, output: Output) -> None:
    """List all settings and their values."""
    output.show_list(COLUMNS, client.all("/settings"))


@api_command(group, "show")
@click.argument("name")
def show(client: AdminClient, output: Output, name: str) -> None:
    """Show one setting."""
    output.show_row(COLUMNS, client.get(_path(name)))


@api_command(group, "set")
@yes_option
@wait_option
@click.argument("name")
@click.argument("value")
def set_value(
    client: AdminClient, output: Output, name: str, value: str, yes: bool, wait: float | None
) -> None:
    """Set the value of a setting; it applies from the next request on.

    Setting access_control to off asks for confirmation, because then everybody passes the gateway.
    """
    if (name, value) == ("access_control", "off"):
        if not yes:
            require_terminal()
        confirm("Let everybody pass the gateway, with or without a key?", yes)
    output.show_row(COLUMNS, client.edit(_path(name), {"value": value}))
    wait_everywhere(client, wait)


def _path(name: str) -> str:
    """The path of a setting. Raises `NotFound` if this cannot be the name of one."""
    if not re.fullmatch("[a-z_]+", name):
        raise NotFound(
            f"there is no setting {printable(name)}: `wardgate settings list` shows all of them"
        )
    return f"/settings/{name}"
