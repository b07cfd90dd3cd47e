"""`wardgate environments`: what environment keys act in."""

from __future__ import annotations

import click

from admin.cli import names
from admin.cli.nouns import Noun, add_life
from admin.cli.options import AdminClient, api_command, given, limit_option, sort_options, sorting
from admin.cli.output import Column, Output

COLUMNS = (
    Column("ID", "id", whole=True),
    Column("STATE", "state", whole=True),
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
    Column("made", "created"),
    Column("removed", "removed"),
    Column("endpoint", "endpoint"),
)
NOUN = Noun(
    "environment",
    "/projects",
    COLUMNS,
    DETAILS,
    lambda client, name, _: names.environment(client, name),
)

group = click.Group("environments")


@api_command(group, "create")
@click.option("--slug", help="Its name in paths, for admins to choose; by default its id.")
@click.option("--description", help="What it is for.")
@click.argument("name")
def create(
    client: AdminClient, output: Output, name: str, slug: str | None, description: str | None
) -> None:
    """Make an environment, whose owner you become."""
    body = given(name=name, slug=slug, description=description)
    output.one(DETAILS, client.create("/projects", body))


@api_command(group, "list")
@click.option("--state", type=click.Choice(["active", "inactive"]))
@click.option("--name", metavar="PREFIX", help="Environments whose name begins so.")
@sort_options("id", "name", "state", "created")
@limit_option
def list_environments(
    client: AdminClient,
    output: Output,
    state: str | None,
    name: str | None,
    sort: str | None,
    desc: bool,
    limit: int | None,
) -> None:
    """The environments that you reach; to an admin all of them."""
    query = given(state=state, name_prefix=name) | sorting(sort, desc)
    output.many(COLUMNS, client.all("/projects", query, limit))


add_life(group, NOUN)
