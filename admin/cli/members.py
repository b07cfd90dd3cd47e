"""`wardgate members`: which accounts reach an environment, and as what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from admin.cli import names
from admin.cli.failures import Missing
from admin.cli.options import (
    AdminClient,
    api_command,
    confirm,
    demand_terminal,
    limit_option,
    yes_option,
)
from admin.cli.output import Column, Output
from admin.cli.texts import printable

if TYPE_CHECKING:
    from admin.cli.client import Json

COLUMNS = (
    Column("ID", "id", whole=True),
    Column("ENVIRONMENT", "projectId", whole=True),
    Column("ACCOUNT", "accountId", whole=True),
    Column("ROLE", "role"),
    Column("SINCE", "created"),
)
ROLES = click.Choice(["owner", "member", "restricted", "readonly"])

group = click.Group("members")

_environment = click.argument("environment")
_account = click.argument("account")
_role = click.option("--role", type=ROLES, required=True, help="The most that it may do there.")


@api_command(group, "add")
@_role
@_environment
@_account
def add(client: AdminClient, output: Output, environment: str, account: str, role: str) -> None:
    """Let an account reach an environment."""
    body = {"accountId": names.account_id(client, account), "role": role}
    output.row(COLUMNS, client.create(_members_of(client, environment), body))


@api_command(group, "list")
@click.option("--environment", metavar="ENV", help="Of this environment (id or slug).")
@click.option("--account", metavar="ACCOUNT", help="Of this account (id or name).")
@limit_option
def list_members(
    client: AdminClient,
    output: Output,
    environment: str | None,
    account: str | None,
    limit: int | None,
) -> None:
    """Your own memberships; to an admin everybody's. All of an environment where one is named."""
    path = "/projectmembers" if environment is None else _members_of(client, environment)
    query = {} if account is None else {"accountId": names.account_id(client, account)}
    output.many(COLUMNS, client.all(path, query, limit))


@api_command(group, "edit")
@_role
@_environment
@_account
def edit(client: AdminClient, output: Output, environment: str, account: str, role: str) -> None:
    """Change what an account may do in an environment."""
    path = _member(client, environment, account)
    output.row(COLUMNS, client.edit(path, {"role": role}))


@api_command(group, "remove")
@yes_option
@_environment
@_account
def remove(client: AdminClient, output: Output, environment: str, account: str, yes: bool) -> None:
    """No longer let an account reach an environment."""
    if not yes:
        demand_terminal()
    path = _member(client, environment, account)
    confirm(f"Shut the account {printable(account)} out of {printable(environment)}?", yes)
    output.row(COLUMNS, client.remove(path))


def _members_of(client: AdminClient, environment: str) -> str:
    return f"/projects/{names.environment_id(client, environment)}/projectmembers"


def _member(client: AdminClient, environment: str, account: str) -> str:
    """The path of a membership. Raises `Failure`."""
    path = _members_of(client, environment)
    query = {"accountId": names.account_id(client, account)}
    found: list[Json] = list(client.all(path, query, limit=1))
    if not found:
        raise Missing(f"the account {printable(account)} is no member of {printable(environment)}")
    return f"{path}/{found[0]['id']}"
