"""`wardgate keys advise`: what a key was used for, and the limits that would have sufficed.

Tested in `tests/admin/cli/test_advise.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import click

from admin.cli.admin_client import AdminClient, Json
from admin.cli.crud import ResourceKind, environment_option
from admin.cli.limits import LIMIT_COLUMNS
from admin.cli.options import api_command, confirm, require_terminal, yes_option
from admin.cli.output import Column, Output


def _used(advice: Json) -> object:
    return "; ".join(
        f"{each['method']} {each['route']}"
        + (f" in {each['environment']}" if each["environment"] else "")
        + f" ({each['requests']}, last on {str(each['lastUsed'])[:10]})"
        for each in advice["used"]
    )


def _networks(advice: Json) -> object:
    found = advice["networks"]
    return "more than 16" if found is None else ", ".join(each["network"] for each in found)


COLUMNS: Final = (
    Column("observed since", "observedSince"),
    Column("requests", "requests"),
    Column("used", _used),
    Column("used from", _networks),
    Column("unused routes", lambda advice: "; ".join(advice["unusedRoutes"])),
    Column("unused environments", lambda advice: ", ".join(advice["unusedEnvironments"])),
    *(
        Column(f"enough: {column.title}", column.value)
        for column in LIMIT_COLUMNS
        if column.title in {"networks", "scopes"}
    ),
)


def add_advise_command(group: click.Group, kind: ResourceKind) -> None:
    """Add `advise` to the group of keys."""

    @api_command(group, "advise")
    @click.option(
        "--days",
        type=click.IntRange(1, 366),
        default=90,
        show_default=True,
        help="From how many days of use.",
    )
    @click.option("--apply", is_flag=True, help="Set the limits that would have sufficed.")
    @click.option(
        "--no-enforce",
        is_flag=True,
        help="With --apply: refuse nothing yet; the access log says what they would refuse.",
    )
    @yes_option
    @environment_option(kind)
    @click.argument("name", metavar="KEY")
    def advise(
        client: AdminClient,
        output: Output,
        name: str,
        days: int,
        apply: bool,
        no_enforce: bool,
        yes: bool,
        environment: str | None,
    ) -> None:
        """Show what a key was used for, and the limits that would have sufficed.

        It never advises more than the key may do already. With --apply it shows what would change,
        and asks.
        """
        if no_enforce and not apply:
            raise click.UsageError("--no-enforce goes with --apply")
        if apply and not yes:
            require_terminal()
        key = kind.find(client, name, environment)
        path = f"{kind.path}/{key['id']}"
        advice = client.get(f"{path}/advice", {"days": str(days)}, "observedSince")
        if not apply:
            output.show(COLUMNS, advice | {"id": key["id"]})
            return
        before, after = dict(key.get("limits") or {}), dict(advice["limits"])
        if no_enforce:
            after["enforce"] = False
        if not advice["narrower"]:
            click.echo("nothing narrower is known", err=True)
            output.show_row(kind.columns, key)
            return
        for line in _differences(before, after):
            click.echo(line, err=True)
        confirm(f"Set these limits of {kind.label(key)}?", yes)
        output.show_row(kind.columns, client.edit(path, {"limits": after}))


def _differences(before: Json, after: Json) -> Iterator[str]:
    """What is taken away and what is added, in lines."""
    for part in sorted(before.keys() | after.keys()):
        old, new = _entries(before.get(part)), _entries(after.get(part))
        yield from (f"- {part}: {each}" for each in old if each not in new)
        yield from (f"+ {part}: {each}" for each in new if each not in old)


def _entries(value: Any) -> list[str]:
    if value is None:
        return []
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]
