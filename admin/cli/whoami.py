"""`wardgate whoami`: the key that commands present."""

from __future__ import annotations

import click

from admin.cli import WHOAMI, lookup
from admin.cli.admin_client import AdminClient, Json
from admin.cli.keys import DETAILS
from admin.cli.options import api_command
from admin.cli.output import Column, Output


def _kind_of(owner: Json) -> str:
    """What the command line calls it."""
    return "environment" if owner["type"] == "project" else "account"


OWNER = (
    Column("belongs to", lambda key: f"{_kind_of(key['owner'])} {key['owner'].get('name')}"),
    Column("kind", lambda key: key["owner"].get("kind")),
)

group = click.Group("whoami")


@api_command(group, "whoami", WHOAMI)
def whoami(client: AdminClient, output: Output) -> None:
    """Show the presented key with its owner. JSON and YAML have the owner as a resource."""
    key = lookup.presented_key(client)
    key["owner"] = client.get(f"/apikeys/{key['id']}/account")
    output.show((*DETAILS, *OWNER), key)
