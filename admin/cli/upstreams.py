"""`wardgate upstreams`: what the gateway knows of its upstreams and their targets."""

from __future__ import annotations

from typing import Final

import click

from admin.cli.admin_client import AdminClient, Json
from admin.cli.options import api_command
from admin.cli.output import Column, Output

COLUMNS: Final = (
    Column("UPSTREAM", "upstream", no_wrap=True),
    Column("TARGET", "url", no_wrap=True),
    Column("STATE", "state", no_wrap=True),
    Column("SINCE", "since", no_wrap=True),
    Column("REQUESTS", "requests"),
    Column("CONNECTIONS", "connections"),
    Column("FAILURES", "failures"),
    Column("EJECTIONS", "ejections"),
    Column("REASON", "reason"),
)

group = click.Group("upstreams")


@api_command(group, "list")
def list_upstreams(client: AdminClient, output: Output) -> None:
    """List the targets of all upstreams: which of them get requests, why not, and since when.

    JSON and YAML have the upstreams, each with its targets.
    """
    upstreams = list(client.all("/upstreams"))
    if output.format != "table" or output.quiet:
        output.show_list(COLUMNS, upstreams)
        return
    output.show_list(COLUMNS, [row for each in upstreams for row in _rows(each)])


def _rows(upstream: Json) -> list[Json]:
    """The targets of an upstream, each with the name of the upstream, and with the state of that
    where its circuit breaker refuses requests. A name that cannot be looked up has a row too."""
    is_open = upstream["breaker"] in {"open", "half-open"}
    rows = [
        {**each, "upstream": upstream["name"]}
        | ({"state": f"{each['state']} (breaker {upstream['breaker']})"} if is_open else {})
        for each in upstream["targets"]
    ]
    lookup = upstream.get("lookup")
    if lookup is not None and lookup["reason"] is not None:
        rows.append(
            {**lookup, "upstream": upstream["name"], "url": lookup["name"], "state": "lookup fails"}
        )
    return rows
