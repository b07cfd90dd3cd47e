"""`--wait`: a command that changes something ends once the change holds on all nodes.

The rule that lives here: what the command prints comes first, so that nothing is lost of it, such
as a new secret, whatever becomes of the wait.
"""

from __future__ import annotations

import math
import time
from typing import Any, Final

import click

from admin.cli.admin_client import AdminClient, Json
from admin.cli.errors import CommandError, NotYet
from admin.cli.options import WAIT
from admin.cli.printable import printable
from proxy.domain.settings import duration as milliseconds_in

ONE_WAIT: Final = 15
"""Seconds that one request waits at most."""
PAUSE: Final = 0.5
"""Seconds between two requests, where the admin server does not let this one wait."""


def _seconds(_: click.Context, param: click.Parameter, value: str | None) -> float | None:
    try:
        return None if value is None else milliseconds_in(value) / 1000
    except ValueError as error:
        raise click.BadParameter(str(error), param=param) from None


wait_option = click.option(
    "--wait",
    metavar="[=TIME]",
    is_flag=False,
    flag_value=WAIT,
    callback=_seconds,
    help="Wait until this holds on all nodes, also for requests in progress; for 30s, or as "
    "in --wait=2m. The exit status is 4 if it does not by then.",
)


def wait_everywhere(client: AdminClient, seconds: float | None) -> None:
    """Wait until the last change holds on all nodes, for so many seconds at most; None: do not.
    Raises `NotYet`, which names those that are missing, and when their leases end."""
    if seconds is None:
        return
    revision = client.revision
    if revision is None:
        raise CommandError("the admin server is too old for --wait: the change is made")
    until = time.monotonic() + seconds
    while True:
        left = max(0.0, until - time.monotonic())
        query = {"wait": str(min(ONE_WAIT, math.ceil(left)))}
        answer = client.get(f"/revisions/{int(revision)}", query, "state")
        if answer["state"] == "everywhere":
            return
        if time.monotonic() >= until:
            raise NotYet(f"the change is made, but it {_missing(answer)}")
        time.sleep(min(PAUSE, max(0.0, until - time.monotonic())))


def _missing(answer: Json) -> str:
    """Which nodes may still go by what was before, and for how long."""
    pending = [each for each in answer["nodes"] if each["state"] == "pending"]
    number = sum(each["state"] != "left" for each in answer["nodes"])
    each = ", ".join(map(_one, pending))
    return f"does not hold yet on {len(pending)} of {number} nodes: {each}"


def _one(node: Json) -> str:
    name: Any = node["name"] or "a node"
    return printable(
        f"{name} may go by what was before until {node['until']} (for {node['seconds']} s)"
    )
