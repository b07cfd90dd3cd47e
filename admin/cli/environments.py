"""`wardgate environments`: the environments that environment keys act in.

Tested in `tests/admin/cli/test_accounts.py`.
"""

from __future__ import annotations

import click

from admin.cli import lookup
from admin.cli.admin_client import AdminClient
from admin.cli.crud import ResourceKind, add_crud_commands
from admin.cli.limits import LIMIT_COLUMNS, changes_with_limits, limit_options
from admin.cli.options import (
    api_command,
    limit_option,
    search_option,
    sort_options,
    sorting,
    without_none,
)
from admin.cli.output import Column, Output
from admin.cli.usage import add_usage_command

COLUMNS = (
    Column("ID", "id", no_wrap=True),
    Column("STATE", "state", no_wrap=True),
    Column("SLUG", "slug"),
    Column("NAME", "name"),
    Column("ENDPOINT", "endpoint"),
)
DETAILS = (
    Column("id", "id"),
    Column("name", "name"),
    Column("description", "description"),
    Column("state", "state"),
    Column("slug", "slug"),
    Column("created", "created"),
    Column("removed", "removed"),
    *LIMIT_COLUMNS,
    Column("endpoint", "endpoint"),
)
KIND = ResourceKind(
    "environment",
    "/projects",
    COLUMNS,
    DETAILS,
    lambda client, name, _: lookup.find_environment(client, name),
    edit_options=(limit_options,),
    changes=changes_with_limits,
)

group = click.Group("environments")


@api_command(group, "create")
@click.option("--slug", help="Its name in paths, which only admins can choose. [default: its id]")
@click.option("--description", help="What the environment is for.")
@click.argument("name")
def create(
    client: AdminClient, output: Output, name: str, slug: str | None, description: str | None
) -> None:
    """Create an environment; your account becomes its owner."""
    body = without_none(name=name, slug=slug, description=description)
    output.show(DETAILS, client.create("/projects", body))


@api_command(group, "list")
@click.option("--state", type=click.Choice(["active", "inactive"]))
@click.option("--name", metavar="PREFIX", help="Environments whose name begins with this.")
@search_option
@sort_options("id", "name", "state", "created")
@limit_option
def list_environments(
    client: AdminClient,
    output: Output,
    state: str | None,
    name: str | None,
    search: str | None,
    sort: str | None,
    desc: bool,
    limit: int | None,
) -> None:
    """List the environments that you can reach, or all if you are an admin."""
    query = without_none(state=state, name_prefix=name, search=search) | sorting(sort, desc)
    output.show_list(COLUMNS, client.all("/projects", query, limit))


add_crud_commands(group, KIND)
add_usage_command(group, KIND)
