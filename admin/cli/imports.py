"""`wardgate import`: credentials that were made elsewhere become keys, and stay as they are."""

from __future__ import annotations

from collections.abc import Generator, Iterable

import click

from admin.cli import names
from admin.cli.failures import Failure, Refusal
from admin.cli.htpasswd import Line, lines_of
from admin.cli.keys import ROLES
from admin.cli.options import AdminClient, api_command, given
from admin.cli.output import Column, Json, Output

COLUMNS = (
    Column("LINE", "line", whole=True),
    Column("NAME", "name"),
    Column("RESULT", "result", whole=True),
    Column("ID", "id", whole=True),
    Column("REASON", "reason"),
)

group = click.Group("import")


@api_command(group, "htpasswd")
@click.option("--environment", metavar="ENV", help="Make keys of this environment (id or slug).")
@click.option("--account", metavar="ACCOUNT", help="Make keys of this account (id or name).")
@click.option(
    "--role", type=ROLES, help="The most that they may do. [default: as the admin server says]"
)
@click.option("--dry-run", is_flag=True, help="Say what would become of the lines, and ask nobody.")
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
    """Make a key of each bcrypt entry of FILE (-: standard input); only admins can.

    The user name becomes the access key, the password stays what it was. Entries that cannot be
    taken are listed with the reason, and the others taken all the same; exit status 1 then.
    """
    if bool(environment) == bool(account):
        raise click.UsageError(
            "say whose keys they become: --environment or --account, one of them"
        )
    lines = lines_of(_text(file))
    if dry_run:
        becoming = (_result(line, "would be imported") for line in lines)
    else:
        owner = _owner(client, environment, account)
        becoming = _imported(client, lines, given(role=role, accountId=owner))
    results: list[Json] = []
    try:
        for result in becoming:
            results.append(result)  # noqa: PERF402  (what was done counts, whatever ends it)
    finally:
        _show(output, results)
    refused = sum(1 for result in results if result["result"] == "refused")
    summary = (
        f"{len(results) - refused} {'would be ' if dry_run else ''}imported, {refused} refused"
    )
    if refused:
        raise Failure(summary)
    click.echo(f"wardgate: {summary}", err=True)


def _text(file: str) -> str:
    """Raises `click.UsageError`."""
    try:
        with click.open_file(file, encoding="utf-8", errors="backslashreplace") as stream:
            return str(stream.read())
    except OSError as error:
        raise click.UsageError(f"cannot read {file}: {error.strerror}") from None


def _owner(client: AdminClient, environment: str | None, account: str | None) -> str:
    if environment is not None:
        return str(names.environment(client, environment)["id"])
    return str(names.account(client, account or "")["id"])


def _imported(
    client: AdminClient, lines: Iterable[Line], body: Json
) -> Generator[Json, None, None]:
    """What becomes of each line. Raises `Failure` where it is not the line that is to blame."""
    for line in lines:
        if line.reason:
            yield _result(line, "refused")
            continue
        entry = {"publicValue": line.name, "secretHash": line.secret_hash}
        try:
            key = client.apply("/apikeys", "import", body | entry)
        except Refusal as refusal:
            yield _result(line, "refused", reason=refusal.message)
        else:
            yield _result(line, "imported", id=key["id"])


def _result(line: Line, result: str, **more: object) -> Json:
    told = {"line": line.number, "name": line.name, "result": result, "id": None, "reason": None}
    if line.reason:
        told |= {"result": "refused", "reason": line.reason}
    return told | more


def _show(output: Output, results: list[Json]) -> None:
    if output.quiet:
        results = [result for result in results if result["id"] is not None]
    output.many(COLUMNS, results)
