"""`wardgate audit`: read the audit log, keep it, verify it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from admin.cli.audit_chain import Head, Verdict, verified
from admin.cli.failures import Failure
from admin.cli.options import AdminClient, api_command, given, limit_option
from admin.cli.output import Column, Output
from admin.cli.private_file import new_file
from proxy.domain.model import WardgateError

COLUMNS = (
    Column("ENTRY", "id", whole=True),
    Column("TIME", "created", whole=True),
    Column("ACT", "eventType"),
    Column("SUBJECT", "resourceId"),
    Column("ACCOUNT", "accountId"),
    Column("KEY", "keyId"),
    Column("ADDRESS", "clientIp"),
    Column("REQUEST", "requestId"),
)
PATH = "/auditlogs"
_NOT_EXPORTED = frozenset({"links", "actions", "type", "baseType"})
"""They tell of the admin server, not of the entry."""

group = click.Group("audit")


@api_command(group, "list")
@click.option("--action", help="Entries of this action, as in key.create.")
@click.option("--subject", metavar="ID", help="Entries on this account, environment or key.")
@click.option("--account", metavar="ID", help="Entries of what this account did.")
@click.option("--key", metavar="ID", help="Entries of what was done with this key.")
@click.option("--desc", is_flag=True, help="The newest first.")
@limit_option
def list_entries(
    client: AdminClient,
    output: Output,
    action: str | None,
    subject: str | None,
    account: str | None,
    key: str | None,
    desc: bool,
    limit: int | None,
) -> None:
    """Who did what. JSON and YAML also tell what was before and after."""
    query = given(eventType=action, resourceId=subject, accountId=account, keyId=key)
    if desc:
        query |= {"sort": "id", "order": "desc"}
    output.many(COLUMNS, client.all(PATH, query, limit))


@api_command(group, "export")
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write to this new file, mode 0600. [default: standard output]",
)
def export(client: AdminClient, output: Output, path: Path | None) -> None:
    """The whole audit log as JSON lines, an entry each, as `audit verify --file` reads them."""
    with new_file(path) as file:
        if file is None:
            for line in _exported(client):
                click.echo(line)
            return
        count = _write(_exported(client), file, path)
    click.echo(f"wardgate: {count} entries are in {path}", err=True)


def _write(lines: Iterator[str], file: int, path: Path | None) -> int:
    """Write lines into an open file, and say how many. Raises `WardgateError`."""
    count = 0
    try:
        with os.fdopen(file, "w", closefd=False) as stream:
            for count, line in enumerate(lines, 1):  # noqa: B007  (the last one is told)
                stream.write(line + "\n")
        os.fsync(file)
    except OSError as error:
        raise WardgateError(f"cannot write {path}: {error.strerror}") from None
    return count


def _exported(client: AdminClient) -> Iterator[str]:
    for resource in client.all(PATH):
        entry = {name: value for name, value in resource.items() if name not in _NOT_EXPORTED}
        yield json.dumps(entry, separators=(",", ":"))


def _head(_: click.Context, param: click.Parameter, value: str | None) -> Head | None:
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
    help="An export; -: standard input. [default: what the admin server has]",
)
@click.option(
    "--head",
    "kept",
    metavar="SEQ:HASH",
    callback=_head,
    help="An entry that an earlier run told of.",
)
def verify(client: AdminClient, output: Output, path: str | None, kept: Head | None) -> None:
    """Find any missing, reordered or altered entry; exit status 1 if there is one.

    Every hash is computed anew, here. What was cut off the end, or made anew from some entry on,
    shows only against a --head that was kept elsewhere: so keep the one that this prints. The log
    of the admin server tells heads too. With --quiet only the head is printed.
    """
    verdict = verified(client.all(PATH) if path is None else _lines(path), kept)
    _show(output, verdict, kept)
    if verdict.problems:
        raise Failure(f"the audit log does not verify: {verdict.problems[0]}")


def _lines(path: str) -> Iterator[dict[str, Any]]:
    """The entries of an export; a line that is none comes as an empty one. Raises `UsageError`."""
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


def _show(output: Output, verdict: Verdict, kept: Head | None) -> None:
    sound, head = not verdict.problems, str(verdict.head) if verdict.head else None
    if output.quiet:
        if sound:
            click.echo(head)
        return
    if output.form != "table":
        output.data(
            {
                "verified": sound,
                "entries": verdict.entries,
                "head": head,
                "tailVouchedFor": sound and verdict.vouched,
                "problems": verdict.problems,
            }
        )
        return
    for problem in verdict.problems:
        click.echo(f"- {problem}")
    if not sound:
        return
    click.echo(f"{verdict.entries} entries, none missing, out of place or altered.")
    if kept is None:
        click.echo("The tail is not vouched for: entries cut off the end would not be missed.")
    else:
        click.echo(f"Nothing up to entry {kept.sequence} was cut off or made anew.")
    click.echo(f"Keep this head, away from the admin server: {head}")
