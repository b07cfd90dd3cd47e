"""`wardgate nodes`: the nodes that share the store, and what becomes of one that is dead."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

import click

from admin.cli.admin_client import AdminClient
from admin.cli.options import api_command, confirm, require_terminal, yes_option
from admin.cli.output import Column, Output
from admin.cli.printable import printable

COLUMNS: Final = (
    Column("NAME", "id", no_wrap=True),
    Column("STATE", "state", no_wrap=True),
    Column("BEHIND", "lag"),
    Column("SETTLED", "settled"),
    Column("LAST SEEN", "lastSeen", no_wrap=True),
    Column("LEASE ENDS", "leaseEnds", no_wrap=True),
)
_QUESTION: Final = (
    "Is the node {} dead? If it is not, keys that were revoked may work on it until its lease ends."
)

group = click.Group("nodes")


@api_command(group, "list")
def list_nodes(client: AdminClient, output: Output) -> None:
    """List the nodes: how many changes each is behind, and when it was last heard of.

    All is as of a node's last beat. LEASE ENDS is when it permits nothing any more, unless it is
    heard of until then.
    """
    output.show_list(COLUMNS, client.all("/nodes"))


@api_command(group, "forget")
@yes_option
@click.argument("name")
def forget(client: AdminClient, output: Output, name: str, yes: bool) -> None:
    """Say that a node is dead, so that nobody waits for it.

    A node that was heard of lately cannot be forgotten.
    """
    if not yes:
        require_terminal()
    path = f"/nodes/{quote(name, safe='')}"
    client.get(path)
    confirm(_QUESTION.format(printable(name)), yes)
    output.show_row(COLUMNS, client.apply(path, "forget", {"dead": True}))
