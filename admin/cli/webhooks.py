"""`wardgate webhooks`: what was sent to webhooks, and what failed."""

from __future__ import annotations

import re

import click

from admin.cli.admin_client import AdminClient
from admin.cli.errors import NotFound
from admin.cli.options import api_command, limit_option, sort_options, sorting, without_none
from admin.cli.output import Column, Output
from admin.cli.printable import printable

PATH = "/webhookmessages"
COLUMNS = (
    Column("ID", "id", no_wrap=True),
    Column("STATE", "state", no_wrap=True),
    Column("WEBHOOK", "webhook", no_wrap=True),
    Column("EVENT", "event", no_wrap=True),
    Column("CREATED", "created"),
    Column("ATTEMPTS", "attempts"),
    Column("NEXT", "nextAttempt"),
    Column("LAST ERROR", "lastError"),
)
DETAILS = (
    *(Column(each.title.lower(), each.value) for each in COLUMNS),
    Column("last attempt", "lastAttempt"),
    Column("last status", "lastStatus"),
    Column("webhook-id", "messageId"),
    Column("body", "body"),
)

group = click.Group("webhooks")


@api_command(group, "list")
@click.option("--webhook", metavar="NAME", help="Messages to this webhook.")
@click.option("--state", type=click.Choice(["waiting", "delivered", "failed"]))
@click.option("--event", metavar="TYPE", help="Messages of this event, as in key.rotated.")
@sort_options("id", "created")
@limit_option
def list_messages(
    client: AdminClient,
    output: Output,
    webhook: str | None,
    state: str | None,
    event: str | None,
    sort: str | None,
    desc: bool,
    limit: int | None,
) -> None:
    """List messages to webhooks, the latest with --sort created --desc."""
    query = without_none(webhook=webhook, state=state, event=event) | sorting(sort, desc)
    output.show_list(COLUMNS, client.all(PATH, query, limit))


@api_command(group, "show")
@click.argument("message")
def show(client: AdminClient, output: Output, message: str) -> None:
    """Show everything about one message, by its id."""
    output.show(DETAILS, client.get(_path(message)))


@api_command(group, "test")
@click.argument("webhook")
def test(client: AdminClient, output: Output, webhook: str) -> None:
    """Send a test to a webhook of the configuration. `webhooks show` has the result."""
    output.show_row(COLUMNS, client.create(PATH, {"webhook": webhook}))


@api_command(group, "retry")
@click.argument("message")
def retry(client: AdminClient, output: Output, message: str) -> None:
    """Send a message now that failed, or that waits for its next attempt."""
    output.show_row(COLUMNS, client.apply(_path(message), "retry"))


def _path(message: str) -> str:
    """The path of a message. Raises `NotFound` if this cannot be the id of one."""
    if not re.fullmatch("1wm[0-9]{1,18}", message):
        raise NotFound(f"there is no message {printable(message)}: ids are such as 1wm5")
    return f"{PATH}/{message}"
