"""`wardgate accounts`: whom account keys act for."""

from __future__ import annotations

from pathlib import Path

import click

from admin.cli import names
from admin.cli.nouns import Noun, add_life
from admin.cli.options import AdminClient, api_command, given, limit_option, sort_options, sorting
from admin.cli.output import Column, Output
from admin.cli.secrets import make_key, save_key_option

COLUMNS = (
    Column("ID", "id", whole=True),
    Column("STATE", "state", whole=True),
    Column("KIND", "kind"),
    Column("NAME", "name"),
    Column("CREATED", "created"),
)
DETAILS = (
    Column("id", "id"),
    Column("name", "name"),
    Column("description", "description"),
    Column("kind", "kind"),
    Column("state", "state"),
    Column("made", "created"),
    Column("removed", "removed"),
    Column("its key", lambda account: (account.get("apiKey") or {}).get("id")),
)
NOUN = Noun(
    "account",
    "/accounts",
    COLUMNS,
    DETAILS,
    lambda client, name, _: names.account(client, name),
)
KINDS = click.Choice(["user", "admin", "readAdmin"])

group = click.Group("accounts")


@api_command(group, "create")
@click.option("--kind", type=KINDS, default="user", show_default=True)
@click.option("--description", help="Who that is.")
@click.option("--with-key", is_flag=True, help="Make its first key too; the secret is shown once.")
@save_key_option
@click.argument("name")
def create(
    client: AdminClient,
    output: Output,
    name: str,
    kind: str,
    description: str | None,
    with_key: bool,
    save_key: Path | None,
) -> None:
    """Make an account; only admins can."""
    body = given(name=name, kind=kind, description=description)
    if with_key:
        make_key(
            output,
            DETAILS,
            save_key,
            lambda: client.create("/accounts", body | {"createKey": True}),
            lambda account: account.get("apiKey"),
        )
    elif save_key is not None:
        raise click.UsageError("--save-key goes with --with-key")
    else:
        output.one(DETAILS, client.create("/accounts", body))


@api_command(group, "list")
@click.option("--kind", type=KINDS)
@click.option("--state", type=click.Choice(["active", "inactive"]))
@click.option("--name", metavar="PREFIX", help="Accounts whose name begins so.")
@sort_options("id", "name", "state", "created")
@limit_option
def list_accounts(
    client: AdminClient,
    output: Output,
    kind: str | None,
    state: str | None,
    name: str | None,
    sort: str | None,
    desc: bool,
    limit: int | None,
) -> None:
    """To an admin all accounts, to others their own."""
    query = given(kind=kind, state=state, name_prefix=name) | sorting(sort, desc)
    output.many(COLUMNS, client.all("/accounts", query, limit))


add_life(group, NOUN)
