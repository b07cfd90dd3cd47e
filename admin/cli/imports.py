"""`wardgate import`: users with passwords become keys, and the passwords stay valid."""

from __future__ import annotations

from collections.abc import Generator, Iterable

import click

from admin.cli import lookup
from admin.cli.admin_client import AdminClient, Json
from admin.cli.errors import CommandError, Rejected
from admin.cli.htpasswd import Line, parse_htpasswd
from admin.cli.options import ROLES, api_command, without_none
from admin.cli.output import Column, Output

COLUMNS = (
    Column("LINE", "line", no_wrap=True),
    Column("NAME", "name"),
    Column("RESULT", "result", no_wrap=True),
    Column("ID", "id", no_wrap=True),
    Column("REASON", "reason"),
)

group = click.Group("import")


@api_command(group, "htpasswd")
@click.option(
    "--environment", metavar="ENV", help="Create keys of this environment (id, slug or name)."
)
@click.option("--account", metavar="ACCOUNT", help="Create keys of this account (id or name).")
@click.option(
    "--role", type=ROLES, help="What the keys may do. [default: the admin server decides]"
)
@click.option("--dry-run", is_flag=True, help="Only check the file; send no request.")
@click.argument("file")
def htpasswd(
    client: AdminClient,
    output: Output,
    file: str,
    environment: str | None,
    account: str | None,
    role: str | None,
    dry_run: bool,
) -> None:
    """Create a key for each bcrypt entry of FILE (-: standard input). Only admins can.

    The user name becomes the access key, and the password stays the same. Entries that cannot be
    imported are listed with the reason, the others are imported, and the exit status is 1.
    """
    if bool(environment) == bool(account):
        raise click.UsageError(
            "name the owner of the keys: use --environment or --account, one of them"
        )
    lines = parse_htpasswd(_read(file))
    if dry_run:
        outcomes = (_result(line, "would be imported") for line in lines)
    else:
        owner = _owner(client, environment, account)
        outcomes = _import(client, lines, without_none(role=role, accountId=owner))
    results: list[Json] = []
    try:
        for result in outcomes:
            results.append(result)  # noqa: PERF402  (shown also if the import is interrupted)
    finally:
        _show(output, results)
    refused = sum(1 for result in results if result["result"] == "refused")
    summary = (
        f"{len(results) - refused} {'would be ' if dry_run else ''}imported, {refused} refused"
    )
    if refused:
        raise CommandError(summary)
    click.echo(f"wardgate: {summary}", err=True)


def _read(file: str) -> str:
    """The text of a file, or of standard input. Raises `click.UsageError`."""
    try:
        with click.open_file(file, encoding="utf-8", errors="backslashreplace") as stream:
            return str(stream.read())
    except OSError as error:
        raise click.UsageError(f"cannot read {file}: {error.strerror}") from None


def _owner(client: AdminClient, environment: str | None, account: str | None) -> str:
    if environment is not None:
        return str(lookup.find_environment(client, environment)["id"])
    return str(lookup.find_account(client, account or "")["id"])


def _import(client: AdminClient, lines: Iterable[Line], body: Json) -> Generator[Json, None, None]:
    """Import each line, and yield its result.

    Raises `CommandError` if the import fails for another reason than this line.
    """
    for line in lines:
        if line.reason:
            yield _result(line, "refused")
            continue
        entry = {"publicValue": line.name, "secretHash": line.secret_hash}
        try:
            key = client.apply("/apikeys", "import", body | entry)
        except Rejected as error:
            yield _result(line, "refused", reason=error.message)
        else:
            yield _result(line, "imported", id=key["id"])


def _result(line: Line, result: str, **more: object) -> Json:
    row = {"line": line.number, "name": line.name, "result": result, "id": None, "reason": None}
    if line.reason:
        row |= {"result": "refused", "reason": line.reason}
    return row | more


def _show(output: Output, results: list[Json]) -> None:
    if output.quiet:
        results = [result for result in results if result["id"] is not None]
    output.show_list(COLUMNS, results)
