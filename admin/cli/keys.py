"""`wardgate keys`: create, show, change and remove API keys."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click
from click.exceptions import Exit

from admin.cli import lookup
from admin.cli.admin_client import AdminClient, Json
from admin.cli.advise import add_advise_command
from admin.cli.crud import ResourceKind, add_crud_commands, environment_option
from admin.cli.errors import warn
from admin.cli.limits import (
    LIMIT_COLUMNS,
    changes_with_limits,
    left,
    limit_options,
    new_limits,
)
from admin.cli.options import (
    ROLES,
    api_command,
    confirm,
    limit_option,
    require_terminal,
    search_option,
    sort_options,
    sorting,
    without_none,
    yes_option,
)
from admin.cli.output import Column, Output
from admin.cli.secret_uses import uses_of
from admin.cli.secrets import create_key, save_key_option
from admin.cli.times import NEVER, duration, expiry
from admin.cli.usage import add_usage_command
from admin.cli.wait import wait_everywhere, wait_option


def _state(key: Json) -> object:
    """Its state, or why the gateway refuses it although it is active."""
    return _REFUSED.get(str(key.get("refusal")), key.get("state"))


_REFUSED = {"key-expired": "expired", "owner-inactive": "owner inactive"}
_STATES = {
    "active": {"state": "active", "expired": "false"},
    "inactive": {"state": "inactive"},
    "expired": {"state": "active", "expired": "true"},
}
"""State in a list → the filters that find it."""
_SORTS = {"last-used": "lastUsed", "access-key": "publicValue"}
"""What a list can be sorted by → the field in the API, where the two differ."""

_ID = Column("ID", "id", no_wrap=True)
_ACCESS_KEY = Column("ACCESS KEY", "publicValue", no_wrap=True)
COLUMNS = (
    _ID,
    Column("STATE", _state, no_wrap=True),
    Column("NAME", "name"),
    _ACCESS_KEY,
    Column("OWNER", "accountId", no_wrap=True),
    Column("ROLE", "role"),
    Column("EXPIRES", "expires"),
    Column("LAST USED", "lastUsed"),
)
DETAILS = (
    Column("id", "id"),
    Column("name", "name"),
    Column("description", "description"),
    Column("state", _state),
    Column("refused", "refusalExplanation"),
    Column("access key", "publicValue"),
    Column("owner", "accountId"),
    Column("role", "role"),
    Column("created by", "creatorId"),
    Column("created", "created"),
    Column("expires", lambda key: key.get("expires") or "never"),
    Column("removed", "removed"),
    Column("last used", "lastUsed"),
    Column("last used from", "lastUsedAddress"),
    Column("times used", "useCount"),
    Column("old secret until", "previousSecretExpires"),
    Column("new secret", uses_of("current")),
    Column("old secret", uses_of("previous")),
    *LIMIT_COLUMNS,
    Column("endpoint", "endpoint"),
)


def _body(expires: str | None = None, **values: Any) -> Json:
    """The body that creates or changes a key, from the values of options."""
    body = changes_with_limits(**values)
    if expires is not None:
        body["expires"] = None if expires == NEVER else expires
    return body


_WHEN = (
    "90d, 12h, 2030-01-31 (the moment when that day begins in UTC), 2030-01-31T12:00:00Z, or never."
)
KIND = ResourceKind(
    "key",
    "/apikeys",
    COLUMNS,
    DETAILS,
    lookup.find_key,
    in_environment=True,
    edit_options=(
        click.option("--role", type=ROLES, help="What the key may do from now on."),
        click.option(
            "--expires", metavar="WHEN", callback=expiry, help=f"When it expires: {_WHEN}"
        ),
        limit_options,
    ),
    in_use=lambda client, key: key.get("publicValue") == client.presented,
    changes=_body,
)

group = click.Group("keys")


@api_command(group, "create")
@click.option("--name", help="A name for the key.")
@click.option("--description", help="What the key is for.")
@click.option(
    "--environment", metavar="ENV", help="Create a key of this environment (id, slug or name)."
)
@click.option("--account", metavar="ACCOUNT", help="Create a key of this account (id or name).")
@click.option("--role", type=ROLES, help="What the key may do. [default: the admin server decides]")
@click.option("--read-only", is_flag=True, help="The same as --role readonly.")
@click.option(
    "--expires",
    metavar="WHEN",
    callback=expiry,
    help=f"{_WHEN} [default: the setting default_key_lifetime]",
)
@limit_options
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
    **limits: Any,
) -> None:
    """Create a key, of your own account unless you name another. Its secret is shown once.

    Without limits of its own it has those of the key that you present.
    """
    if environment and account:
        raise click.UsageError(
            "a key belongs to an environment or to an account: use --environment or --account"
        )
    if read_only and role not in {None, "readonly"}:
        raise click.UsageError(f"--read-only and --role {role} exclude each other: use one of them")
    role = "readonly" if read_only else role
    body = _body(expires, name=name, description=description, role=role, **limits)
    if "limits" in body:
        body["limits"] = new_limits(body["limits"])

    def create_resource() -> dict[str, object]:
        path = "/apikeys"
        if environment is not None:
            path = f"/projects/{lookup.environment_id(client, environment)}/apikeys"
        elif account is not None:
            body["accountId"] = lookup.account_id(client, account)
        return client.create(path, body)

    create_key(output, DETAILS, save_key, create_resource)


@api_command(group, "list")
@click.option("--environment", metavar="ENV", help="Keys of this environment (id, slug or name).")
@click.option("--account", metavar="ACCOUNT", help="Keys of this account (id or name).")
@click.option("--state", type=click.Choice(list(_STATES)))
@click.option("--name", metavar="PREFIX", help="Keys whose name begins with this.")
@click.option(
    "--expiring",
    metavar="DURATION",
    callback=duration,
    help="Keys that expire within this time, as in 30d.",
)
@click.option(
    "--unused",
    metavar="DURATION",
    callback=duration,
    help="Keys that are older than this and were not used within it, as in 90d.",
)
@click.option("--never-used", is_flag=True, help="Keys that were never used.")
@search_option
@sort_options("id", "name", "state", "role", "created", "expires", *_SORTS)
@limit_option
def list_keys(
    client: AdminClient,
    output: Output,
    environment: str | None,
    account: str | None,
    state: str | None,
    name: str | None,
    expiring: str | None,
    unused: str | None,
    never_used: bool,
    search: str | None,
    sort: str | None,
    desc: bool,
    limit: int | None,
) -> None:
    """List your own keys, all keys if you are an admin, or those of one environment."""
    if environment and account:
        raise click.UsageError(
            "a key belongs to an environment or to an account: use --environment or --account"
        )
    path = "/apikeys"
    query = without_none(name_prefix=name, expiring=expiring, unused=unused, search=search)
    query |= sorting(_SORTS.get(sort or "", sort), desc)
    query |= _STATES[state] if state else {}
    query |= {"lastUsed_null": ""} if never_used else {}
    if environment is not None:
        path = f"/projects/{lookup.environment_id(client, environment)}/apikeys"
    elif account is not None:
        query["accountId"] = lookup.find_account(client, account)["id"]
    output.show_list(COLUMNS, client.all(path, query, limit))


add_crud_commands(group, KIND)
add_usage_command(group, KIND)
add_advise_command(group, KIND)


@api_command(group, "rotate")
@click.option(
    "--overlap",
    metavar="DURATION",
    callback=duration,
    help="How long the old secret stays valid, as in 24h; 0: it stops working at once. "
    "[default: the setting rotation_overlap]",
)
@click.option(
    "--finish-when-quiet",
    metavar="DURATION",
    callback=duration,
    help="The old secret ends earlier, once nobody has used it for this time, as in 3d. --overlap "
    "is then 30d by default, or as the setting says if that is longer.",
)
@save_key_option
@yes_option
@wait_option
@environment_option(KIND)
@click.argument("name", metavar="KEY")
def rotate(
    client: AdminClient,
    output: Output,
    name: str,
    overlap: str | None,
    finish_when_quiet: str | None,
    save_key: Path | None,
    yes: bool,
    wait: float | None,
    environment: str | None,
) -> None:
    """Give a key a new secret, which is shown once; access key and id stay the same.

    Asks for confirmation if a secret that clients may use stops working at once: with --overlap 0,
    or while the secret before the last rotation is still valid.
    """
    at_once = overlap is not None and overlap.rstrip("smhd").strip("0") == ""
    if at_once and not yes:
        require_terminal()
    key = lookup.find_key(client, name, environment)
    if at_once or (key.get("previousSecretExpiresTS") or 0) > time.time() * 1000:
        which = "current" if at_once else "previous"
        confirm(f"The {which} secret of {KIND.label(key)} stops working at once. Continue?", yes)
    if KIND.in_use(client, key):
        warn("this command presents this key: replace its secret wherever it is kept")
    body = without_none(overlap=overlap, finishWhenQuiet=finish_when_quiet)
    create_key(
        output, DETAILS, save_key, lambda: client.apply(f"/apikeys/{key['id']}", "rotate", body)
    )
    wait_everywhere(client, wait)


@api_command(group, "explain")
@click.option(
    "--key", "name", required=True, metavar="KEY", help="The id, access key or name of the key."
)
@environment_option(KIND)
@click.option("--origin", metavar="ORIGIN", help="Of the page that makes the request in a browser.")
@click.option("--address", metavar="ADDRESS", help="Of the client. [default: networks count not]")
@click.argument("method")
@click.argument("path")
def explain(
    client: AdminClient,
    output: Output,
    method: str,
    path: str,
    name: str,
    environment: str | None,
    origin: str | None,
    address: str | None,
) -> None:
    """Show what the gateway would decide on a request with this key, and why.

    The exit status is 1 if it would be denied. The API behind the gateway may still refuse a
    request that is permitted here. With --origin, the preflight that a browser sends before the
    request has to be permitted too. With --quiet, only permit or deny is printed.
    """
    key = lookup.find_key(client, name, environment)
    request = without_none(method=method, path=path, origin=origin, address=address)
    answer = client.apply(f"/apikeys/{key['id']}", "explain", request, "decision")
    if output.quiet:
        answer |= {"id": answer["decision"]}
    output.show(EXPLANATION, answer)
    if answer["decision"] != "permit":
        raise Exit(1)


EXPLANATION = (
    Column("decision", "decision"),
    Column("status", "status"),
    Column("reason", "reason"),
    Column("why", "explanation"),
    Column("route", "route"),
    Column("access", "access"),
    Column("upstream", "upstream"),
    Column("upstream path", "upstreamPath"),
    Column("environment", "environment"),
    Column("role", "role"),
    Column("limits", left),
    Column("not enforced", "wouldRefuse"),
)
