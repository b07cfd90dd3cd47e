"""`wardgate keys`: make, show, change and end API keys."""

from __future__ import annotations

import time
from pathlib import Path

import click

from admin.cli import names
from admin.cli.nouns import Noun, add_life, within_option
from admin.cli.options import (
    AdminClient,
    api_command,
    confirm,
    demand_terminal,
    given,
    limit_option,
    sort_options,
    sorting,
    yes_option,
)
from admin.cli.output import Column, Output
from admin.cli.secrets import make_key, save_key_option
from admin.cli.times import NEVER, duration, expiry

ROLES = click.Choice(["owner", "member", "restricted", "readonly"])

_ID = Column("ID", "id", whole=True)
_ACCESS_KEY = Column("ACCESS KEY", "publicValue", whole=True)
COLUMNS = (
    _ID,
    Column("STATE", "state", whole=True),
    Column("NAME", "name"),
    _ACCESS_KEY,
    Column("OWNER", "accountId", whole=True),
    Column("ROLE", "role"),
    Column("EXPIRES", "expires"),
    Column("LAST USED", "lastUsed"),
)
DETAILS = (
    Column("id", "id"),
    Column("name", "name"),
    Column("description", "description"),
    Column("state", "state"),
    Column("access key", "publicValue"),
    Column("owner", "accountId"),
    Column("role", "role"),
    Column("made by", "creatorId"),
    Column("made", "created"),
    Column("expires", lambda key: key.get("expires") or "never"),
    Column("removed", "removed"),
    Column("last used", "lastUsed"),
    Column("last used from", "lastUsedAddress"),
    Column("times used", "useCount"),
    Column("old secret until", "previousSecretExpires"),
    Column("endpoint", "endpoint"),
)
NOUN = Noun("key", "/apikeys", COLUMNS, DETAILS, names.key, within=True)

group = click.Group("keys")


@api_command(group, "create")
@click.option("--name", help="A name, for people.")
@click.option("--description", help="What it is for.")
@click.option("--environment", metavar="ENV", help="A key of this environment (id or slug).")
@click.option("--account", metavar="ACCOUNT", help="A key of this account (id or name).")
@click.option(
    "--role", type=ROLES, help="The most that it may do. [default: as the admin server says]"
)
@click.option("--read-only", is_flag=True, help="Short for --role readonly.")
@click.option(
    "--expires",
    metavar="WHEN",
    callback=expiry,
    help="90d, 12h, 2030-01-31 (as that day begins in UTC), a moment, or never. "
    "[default: as the admin server's settings say]",
)
@save_key_option
def create(
    client: AdminClient,
    output: Output,
    name: str | None,
    description: str | None,
    environment: str | None,
    account: str | None,
    role: str | None,
    read_only: bool,
    expires: str | None,
    save_key: Path | None,
) -> None:
    """Make a key, of your own account where no other is named. Its secret is shown once."""
    if environment and account:
        raise click.UsageError("a key is of an --environment or of an --account, not of both")
    if read_only and role not in {None, "readonly"}:
        raise click.UsageError(f"--read-only and --role {role} exclude each other")
    body = given(name=name, description=description, role="readonly" if read_only else role)
    if expires is not None:
        body["expires"] = None if expires == NEVER else expires

    def make() -> dict[str, object]:
        path = "/apikeys"
        if environment is not None:
            path = f"/projects/{names.environment_id(client, environment)}/apikeys"
        elif account is not None:
            body["accountId"] = names.account_id(client, account)
        return client.create(path, body)

    make_key(output, DETAILS, save_key, make)


@api_command(group, "list")
@click.option("--environment", metavar="ENV", help="Keys of this environment (id or slug).")
@click.option("--account", metavar="ACCOUNT", help="Keys of this account (id or name).")
@click.option("--state", type=click.Choice(["active", "inactive"]))
@click.option("--name", metavar="PREFIX", help="Keys whose name begins so.")
@click.option(
    "--expiring",
    metavar="DURATION",
    callback=duration,
    help="Keys that expire within that time, as in 30d.",
)
@sort_options("id", "name", "state", "created", "expires")
@limit_option
def list_keys(
    client: AdminClient,
    output: Output,
    environment: str | None,
    account: str | None,
    state: str | None,
    name: str | None,
    expiring: str | None,
    sort: str | None,
    desc: bool,
    limit: int | None,
) -> None:
    """Your own keys; to an admin everybody's. Those of an environment where one is named."""
    if environment and account:
        raise click.UsageError("a key is of an --environment or of an --account, not of both")
    path = "/apikeys"
    query = given(state=state, name_prefix=name, expiring=expiring) | sorting(sort, desc)
    if environment is not None:
        path = f"/projects/{names.environment_id(client, environment)}/apikeys"
    elif account is not None:
        query["accountId"] = names.account_id(client, account)
    output.many(COLUMNS, client.all(path, query, limit))


add_life(group, NOUN)


@api_command(group, "rotate")
@click.option(
    "--overlap",
    metavar="DURATION",
    callback=duration,
    help="How long the old secret stays good, as in 24h; 0: not at all. "
    "[default: as the admin server's settings say]",
)
@save_key_option
@yes_option
@within_option(NOUN)
@click.argument("name", metavar="KEY")
def rotate(
    client: AdminClient,
    output: Output,
    name: str,
    overlap: str | None,
    save_key: Path | None,
    yes: bool,
    within: str | None,
) -> None:
    """Give a key a new secret, which is shown once; access key and id stay.

    With --overlap 0, or while the secret before the last one is still good, clients are shut out
    at once: then it asks first.
    """
    at_once = overlap is not None and overlap.rstrip("smhd").strip("0") == ""
    if at_once and not yes:
        demand_terminal()
    key = names.key(client, name, within)
    if at_once or (key.get("previousSecretExpiresTS") or 0) > time.time() * 1000:
        which = "The secret in use" if at_once else "The secret before the one in use"
        confirm(f"{which} of {NOUN.called(key)} ends at once. Go ahead?", yes)
    body = given(overlap=overlap)
    make_key(
        output, DETAILS, save_key, lambda: client.apply(f"/apikeys/{key['id']}", "rotate", body)
    )


@api_command(group, "explain")
@click.option("--key", "name", required=True, metavar="KEY", help="The key, by id or access key.")
@within_option(NOUN)
@click.argument("method")
@click.argument("path")
def explain(
    client: AdminClient, output: Output, method: str, path: str, name: str, within: str | None
) -> None:
    """What the gateway would decide on a request with this key, and why.

    It decides by the same rules; that a request is permitted does not say that the API behind the
    gateway likes it. With --quiet it prints permit or deny.
    """
    key = names.key(client, name, within)
    asked = {"method": method, "path": path}
    verdict = client.apply(f"/apikeys/{key['id']}", "explain", asked, "decision")
    output.one(EXPLANATION, verdict | {"id": verdict["decision"]} if output.quiet else verdict)


EXPLANATION = (
    Column("decision", "decision"),
    Column("status", "status"),
    Column("reason", "reason"),
    Column("route", "route"),
    Column("access", "access"),
    Column("upstream", "upstream"),
    Column("environment", "environment"),
    Column("role", "role"),
)
