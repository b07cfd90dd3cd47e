"""The limits of keys, environments and accounts: their options, and how they are shown.

Tested in `tests/admin/cli/test_limits.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import click

from admin.cli.admin_client import Json
from admin.cli.options import without_none
from admin.cli.output import Column

NONE: Final = "none"
"""Takes a limit away."""

_OPTIONS: Final = (
    click.option("--rate", metavar="RATE", help="How often: 100/s, 6000/min, 10/h, or none."),
    click.option(
        "--burst",
        type=int,
        metavar="N",
        help="How many requests may come at once. [default: what comes in a second]",
    ),
    click.option("--quota", metavar="QUOTA", help="How much: 10000/day, 1000000/month, or none."),
    click.option(
        "--network",
        "networks",
        metavar="NETWORK",
        multiple=True,
        help="From where: an address or a network, repeatable, or none.",
    ),
    click.option(
        "--scope",
        "scopes",
        metavar="SCOPE",
        multiple=True,
        help="For what: methods and a path, as in 'GET,POST /v1/things/**', repeatable, or none.",
    ),
    click.option("--window", metavar="HOURS", help="When, in UTC: 'Mon-Fri 08:00-18:00', or none."),
    click.option(
        "--enforce/--no-enforce",
        default=None,
        help="Whether limits refuse requests, or only have the access log say so.",
    ),
)


def limit_options(function: Any) -> Any:
    """The options that set limits, as a decorator."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def changes_with_limits(**values: Any) -> Json:
    """The body of an edit, from the values of options. Its limits are those that change, with None
    for what is taken away (`edited_limits`)."""
    limits: Json = {}
    for part in ("rate", "burst", "quota", "networks", "scopes", "window", "enforce"):
        given = values.pop(part, None)
        if given is None or given == ():
            continue
        given = list(given) if isinstance(given, tuple) else given
        limits[part] = None if given in (NONE, [NONE]) else given
    body = without_none(**values)
    return body | {"limits": limits} if limits else body


def new_limits(changes: Json) -> Json:
    """The limits of a new key."""
    return without_none(**changes)


def edited_limits(resource: Json, changes: Mapping[str, object]) -> Json:
    """All limits of a resource, with these changes: the API takes them as a whole. The burst
    belongs to the rate."""
    before = dict(resource.get("limits") or {})
    if "rate" in changes:
        before.pop("burst", None)
    return without_none(**{**before, **changes})


def _shown(part: str, show: Callable[[Any], object] = str) -> Callable[[Json], object]:
    def value(resource: Json) -> object:
        limits = resource.get("limits") or {}
        return show(limits[part]) if part in limits else None

    return value


def _rate(resource: Json) -> object:
    limits = resource.get("limits") or {}
    return f"{limits['rate']}, {limits['burst']} at once" if "rate" in limits else None


LIMIT_COLUMNS: Final = (
    Column("rate", _rate),
    Column("quota", _shown("quota")),
    Column("networks", _shown("networks", ", ".join)),
    Column("scopes", _shown("scopes", "; ".join)),
    Column("hours in UTC", _shown("window")),
    Column("limits", _shown("enforce", lambda _: "not enforced")),
)
"""Lines about a resource, where it is limited."""


def left(explanation: Json) -> str | None:
    """What is left of the limits that count a request."""
    shown = (
        f"{each['policy']} {each['limit']}: {each['left']} left"
        + ("" if each["enforced"] else ", not enforced")
        for each in explanation.get("limits", ())
    )
    return "; ".join(shown) or None
