"""`wardgate settings`: what an admin changes at run time."""

from __future__ import annotations

import re

import click

from admin.cli.failures import Missing
from admin.cli.options import AdminClient, api_command, confirm, demand_terminal, yes_option
from admin.cli.output import Column, Output
from admin.cli.texts import printable

COLUMNS = (
    Column("NAME", "name", whole=True),
    Column("VALUE", "value", whole=True),
    Column("DEFAULT", "default", whole=True),
    Column("DESCRIPTION", "description"),
)

group = click.Group("settings")


@api_command(group, "list")
def list_settings(client: AdminClient, output: Output) -> None:
    """All settings and their values."""
    output.many(COLUMNS, client.all("/settings"))


@api_command(group, "show")
@click.argument("name")
def show(client: AdminClient, output: Output, name: str) -> None:
    """One setting."""
    output.row(COLUMNS, client.get(_path(name)))


@api_command(group, "set")
@yes_option
@click.argument("name")
@click.argument("value")
def set_value(client: AdminClient, output: Output, name: str, value: str, yes: bool) -> None:
    """Give a setting a value, in force from the next request on.

    Before access control is turned off it asks: from then on everybody passes the gateway.
    """
    if (name, value) == ("access_control", "off"):
        if not yes:
            demand_terminal()
        confirm("Let everybody pass the gateway, with a key or without?", yes)
    output.row(COLUMNS, client.edit(_path(name), {"value": value}))


def _path(name: str) -> str:
    """Where a setting is. Raises `Missing` for what cannot be the name of one."""
    if not re.fullmatch("[a-z_]+", name):
        raise Missing(f"there is no setting {printable(name)}")
    return f"/settings/{name}"
