"""`wardgate members`: accounts with a role in an environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from admin.cli import lookup
from admin.cli.admin_client import AdminClient
from admin.cli.errors import NotFound
from admin.cli.options import (
    ROLES,
    api_command,
    confirm,
    limit_option,
    require_terminal,
    yes_option,
)
from admin.cli.output import Column, Output
from admin.cli.printable import printable
from admin.cli.wait import wait_everywhere, wait_option

if TYPE_CHECKING:
    from admin.cli.admin_client import Json

COLUMNS = (
    Column("ID", "id", no_wrap=True),
    Column("ENVIRONMENT", "projectId", no_wrap=True),
    Column("ACCOUNT", "accountId", no_wrap=True),
    Column("ROLE", "role"),
    Column("SINCE", "created"),
)

group = click.Group("members")

_environment = click.argument("environment")
_account = click.argument("account")
_role = click.option(
    "--role", type=ROLES, required=True, help="What the account may do in the environment."
)


@api_command(group, "add")
@_role
@_environment
@_account
def add(client: AdminClient, output: Output, environment: str, account: str, role: str) -> None:
    """Give an account a role in an environment."""
    body = {"accountId": lookup.account_id(client, account), "role": role}
    output.show_row(COLUMNS, client.create(_members_of(client, environment), body))


@api_command(group, "list")
@click.option(
    "--environment", metavar="ENV", help="Members of this environment (id, slug or name)."
)
@click.option("--account", metavar="ACCOUNT", help="Memberships of this account (id or name).")
@limit_option
def list_members(
    client: AdminClient,
    output: Output,
    environment: str | None,
    account: str | None,
    limit: int | None,
) -> None:
    """List your own memberships, all if you are an admin, or those in one environment."""
    path = "/projectmembers" if environment is None else _members_of(client, environment)
    query = {} if account is None else {"accountId": lookup.account_id(client, account)}
    output.show_list(COLUMNS, client.all(path, query, limit))


@api_command(group, "edit")
@_role
@wait_option
@_environment
@_account
def edit(
    client: AdminClient,
    output: Output,
    environment: str,
    account: str,
    role: str,
    wait: float | None,
) -> None:
    """Change the role of an account in an environment."""
    path = _member(client, environment, account)
    output.show_row(COLUMNS, client.edit(path, {"role": role}))
    wait_everywhere(client, wait)


@api_command(group, "remove")
@yes_option
@wait_option
@_environment
@_account
def remove(
    client: AdminClient,
    output: Output,
    environment: str,
    account: str,
    yes: bool,
    wait: float | None,
) -> None:
    """Remove an account from an environment."""
    if not yes:
        require_terminal()
    path = _member(client, environment, account)
    confirm(f"Remove the account {printable(account)} from {printable(environment)}?", yes)
    output.show_row(COLUMNS, client.remove(path))
    wait_everywhere(client, wait)


def _members_of(client: AdminClient, environment: str) -> str:
    return f"/projects/{lookup.environment_id(client, environment)}/projectmembers"


def _member(client: AdminClient, environment: str, account: str) -> str:
    """The path of an account's membership. Raises `CommandError`."""
    path = _members_of(client, environment)
    query = {"accountId": lookup.account_id(client, account)}
    found: list[Json] = list(client.all(path, query, limit=1))
    if not found:
        name = printable(environment)
        raise NotFound(
            f"the account {printable(account)} is not a member of {name}: "
            f"`wardgate members list --environment {name}` shows the members"
        )
    return f"{path}/{found[0]['id']}"
