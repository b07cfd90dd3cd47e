"""`wardgate accounts`: the accounts that account keys act for."""

from __future__ import annotations

from pathlib import Path

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
from admin.cli.secrets import create_key, save_key_option
from admin.cli.usage import add_usage_command

COLUMNS = (
    Column("ID", "id", no_wrap=True),
    Column("STATE", "state", no_wrap=True),
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
    Column("created", "created"),
    Column("removed", "removed"),
    Column("key", lambda account: (account.get("apiKey") or {}).get("id")),
    *LIMIT_COLUMNS,
)
KIND = ResourceKind(
    "account",
    "/accounts",
    COLUMNS,
    DETAILS,
    lambda client, name, _: lookup.find_account(client, name),
    in_use=lambda client, account: lookup.presented_key(client).get("accountId") == account["id"],
    edit_options=(limit_options,),
    changes=changes_with_limits,
)
KINDS = click.Choice(["user", "admin", "readAdmin"])

group = click.Group("accounts")


@api_command(group, "create")
@click.option("--kind", type=KINDS, default="user", show_default=True)
@click.option("--description", help="Who or what the account stands for.")
@click.option(
    "--with-key", is_flag=True, help="Also create its first key; the secret is shown once."
)
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
    """Create an account. Only admins can."""
    body = without_none(name=name, kind=kind, description=description)
    if with_key:
        create_key(
            output,
            DETAILS,
            save_key,
            lambda: client.create("/accounts", body | {"createKey": True}),
            lambda account: account.get("apiKey"),
        )
    elif save_key is not None:
        raise click.UsageError("--save-key needs --with-key: without it there is no key to save")
    else:
        output.show(DETAILS, client.create("/accounts", body))


@api_command(group, "list")
@click.option("--kind", type=KINDS)
@click.option("--state", type=click.Choice(["active", "inactive"]))
@click.option("--name", metavar="PREFIX", help="Accounts whose name begins with this.")
@search_option
@sort_options("id", "name", "state", "created")
@limit_option
def list_accounts(
    client: AdminClient,
    output: Output,
    kind: str | None,
    state: str | None,
    name: str | None,
    search: str | None,
    sort: str | None,
    desc: bool,
    limit: int | None,
) -> None:
    """List your own account, or all accounts if you are an admin."""
    query = without_none(kind=kind, state=state, name_prefix=name, search=search) | sorting(
        sort, desc
    )
    output.show_list(COLUMNS, client.all("/accounts", query, limit))


add_crud_commands(group, KIND)
add_usage_command(group, KIND)
