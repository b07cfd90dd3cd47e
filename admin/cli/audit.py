"""`wardgate audit`: show, export and verify the audit log."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from admin.cli import lookup
from admin.cli.admin_client import AdminClient, Json
from admin.cli.audit_chain import verify as verify_chain
from admin.cli.errors import CommandError
from admin.cli.options import api_command, limit_option, without_none
from admin.cli.output import FORMATS, Column, Output
from admin.cli.private_file import new_file
from admin.cli.times import past
from proxy.domain.audit_chain import Head, Verification
from proxy.domain.errors import WardgateError

COLUMNS = (
    Column("ENTRY", "id", no_wrap=True),
    Column("TIME", "created", no_wrap=True),
    Column("ACTION", "eventType"),
    Column("SUBJECT", "resourceId"),
    Column("ACCOUNT", "accountId"),
    Column("KEY", "keyId"),
    Column("PERSON", "identity"),
    Column("ADDRESS", "clientIp"),
    Column("REQUEST", "requestId"),
)
PATH = "/auditlogs"
_NOT_EXPORTED = frozenset({"links", "actions", "type", "baseType"})
"""Fields of the API that are not part of the entry."""

group = click.Group("audit")


@api_command(group, "list")
@click.option("--action", help="Entries of this action, as in key.create.")
@click.option("--subject", metavar="ID", help="Entries about this account, environment or key.")
@click.option(
    "--account", metavar="ACCOUNT", help="Entries of actions by this account (id or name)."
)
@click.option(
    "--key", metavar="KEY", help="Entries of actions with this key (id, access key or name)."
)
@click.option(
    "--since",
    metavar="WHEN",
    callback=past,
    help="Entries from then on: 7d (seven days ago), 2030-01-31 (when that day begins in UTC) or "
    "2030-01-31T12:00:00Z.",
)
@click.option("--until", metavar="WHEN", callback=past, help="Entries before then.")
@click.option(
    "--search", metavar="TEXT", help="Entries with this text in an id, the action or the address."
)
@click.option("--desc", is_flag=True, help="Show the newest first.")
@limit_option
def list_entries(
    client: AdminClient,
    output: Output,
    action: str | None,
    subject: str | None,
    account: str | None,
    key: str | None,
    since: str | None,
    until: str | None,
    search: str | None,
    desc: bool,
    limit: int | None,
) -> None:
    """List who did what. JSON and YAML also show the state before and after."""
    query = without_none(eventType=action, resourceId=subject, search=search)
    if account is not None:
        query["accountId"] = lookup.account_id(client, account)
    if key is not None:
        query["keyId"] = lookup.key_id(client, key)
    query |= without_none(created_gte=since, created_lt=until)
    if desc:
        query["order"] = "desc"
    output.show_list(COLUMNS, client.all(PATH, query, limit))


_LINES = "lines"
"""The format of an export where `--output` names no other."""


@api_command(
    group,
    "export",
    output=click.option(
        "--output",
        "-o",
        "output_format",
        metavar="FILE|json|yaml",
        default=_LINES,
        help="Write to this new file, as --file does; json, yaml: print one document instead.",
    ),
)
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write to this new file of mode 0600. [default: standard output]",
)
def export(client: AdminClient, output: Output, path: Path | None) -> None:
    """Export the audit log: one JSON line for each entry, as `audit verify --file` reads it."""
    if output.format in FORMATS:
        if path is not None or output.format == "table":
            raise click.UsageError(f"--output {output.format} cannot be written by an export")
        output.dump([_exportable(resource) for resource in client.all(PATH)])
        return
    if output.format != _LINES:
        if path is not None:
            raise click.UsageError("--output and --file both name a file: use one of them")
        path = Path(output.format)
    with new_file(path) as file:
        if file is None:
            for line in _exported(client):
                click.echo(line)
            return
        count = _write(_exported(client), file, path)
    click.echo(f"wardgate: {count} entries are in {path}", err=True)


def _write(lines: Iterator[str], file: int, path: Path | None) -> int:
    """Write lines to an open file. Returns how many. Raises `WardgateError`."""
    count = 0
    try:
        with os.fdopen(file, "w", closefd=False) as stream:
            for count, line in enumerate(lines, 1):  # noqa: B007  (returned)
                stream.write(line + "\n")
        os.fsync(file)
    except OSError as error:
        raise WardgateError(f"cannot write {path}: {error.strerror}") from None
    return count


def _exported(client: AdminClient) -> Iterator[str]:
    for resource in client.all(PATH):
        yield json.dumps(_exportable(resource), separators=(",", ":"))


def _exportable(resource: Json) -> Json:
    return {name: value for name, value in resource.items() if name not in _NOT_EXPORTED}


def _parse_head(_: click.Context, param: click.Parameter, value: str | None) -> Head | None:
    """An option's callback. Raises `click.BadParameter`."""
    try:
        return None if value is None else Head.parse(value)
    except ValueError as error:
        raise click.BadParameter(str(error), param=param) from None


@api_command(group, "verify")
@click.option(
    "--file",
    "path",
    metavar="FILE",
    help="Verify this export; -: standard input. [default: the log of the admin server]",
)
@click.option(
    "--head",
    "known_head",
    metavar="NUMBER:HASH",
    callback=_parse_head,
    help="A head that an earlier run printed: the number and hash of an entry.",
)
def verify(client: AdminClient, output: Output, path: str | None, known_head: Head | None) -> None:
    """Find missing, reordered and altered entries; the exit status is 1 if there are any.

    Every hash is computed again on this machine. Entries that were removed from the end, or
    rewritten from some entry to the end, are found only with a --head from an earlier time: so keep
    the head that this prints. The admin server logs the heads too. With --quiet, only the head is
    printed.
    """
    entries = client.all(PATH) if path is None else _read_export(path)
    result = verify_chain(entries, known_head)
    _show(output, result, known_head)
    if result.problems:
        raise CommandError(f"the audit log does not verify: {result.problems[0]}")


def _read_export(path: str) -> Iterator[dict[str, Any]]:
    """The entries of an export; an empty one for a line that is none. Raises `UsageError`."""
    try:
        with click.open_file(path, encoding="utf-8", errors="replace") as stream:
            for line in stream:
                yield _entry(line)
    except OSError as error:
        raise click.UsageError(f"cannot read {path}: {error.strerror}") from None


def _entry(line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return entry if isinstance(entry, dict) else {}


def _show(output: Output, result: Verification, known_head: Head | None) -> None:
    sound, head = not result.problems, str(result.head) if result.head else None
    first = result.first.sequence if result.first else None
    if output.quiet:
        if sound:
            click.echo(head)
        return
    if output.format != "table":
        output.dump(
            {
                "verified": sound,
                "entries": result.entries,
                "first": first,
                "head": head,
                "tailVouchedFor": sound and result.head_found,
                "problems": result.problems,
            }
        )
        return
    for problem in result.problems:
        click.echo(f"- {problem}")
    if not sound:
        return
    click.echo(f"{result.entries} entries, none missing, out of place or altered.")
    if result.pruned.sequence:
        click.echo(f"The log begins at entry {first}: those before were deleted (audit_retention).")
    if known_head is None:
        click.echo("Without --head, entries that were removed from the end are not noticed.")
    else:
        click.echo(f"Nothing up to entry {known_head.sequence} was removed or rewritten.")
    click.echo(f"Keep this head, away from the admin server: {head}")
