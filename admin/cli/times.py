"""Times as people write them on a command line.

Tested in `tests/admin/cli/test_keys.py` and `test_audit.py`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

import click

from proxy.domain.settings import duration as milliseconds_in

NEVER = "never"

_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def duration(_: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """An option's callback: `90d`, `24h`, `30m`, `15s`; `0`. Raises `click.BadParameter`."""
    try:
        if value is not None:
            milliseconds_in(value)
    except ValueError as error:
        raise click.BadParameter(str(error), param=param) from None
    return value


def expiry(_: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """An option's callback: the time of expiry as the API takes it, or `never`.

    The value is a duration, a date (the moment when it begins in UTC), a date with a time and an
    offset, or `never`. Raises `click.BadParameter`.
    """
    if value is None or value == NEVER or _is_duration(value):
        return value
    try:
        return _moment(value)
    except (ValueError, OverflowError):
        expected = "should be as in 90d, 12h, 2030-01-31, 2030-01-31T12:00:00Z or never"
        raise click.BadParameter(expected, param=param) from None


def past(_: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """An option's callback: a moment as the API's filters take it.

    The value is a duration before now, a date (the moment when it begins in UTC), or a date with a
    time and an offset. Raises `click.BadParameter`.
    """
    if value is None:
        return None
    if _is_duration(value):
        return f"-{value}"
    try:
        return _moment(value)
    except (ValueError, OverflowError):
        expected = "should be as in 7d, 12h, 2030-01-31 or 2030-01-31T12:00:00Z"
        raise click.BadParameter(expected, param=param) from None


def _is_duration(value: str) -> bool:
    """Whether it counts from now: the server's now, since this machine's clock may be wrong."""
    try:
        milliseconds_in(value)
    except ValueError:
        return False
    return True


def _moment(value: str) -> str:
    """The moment that a date names, in RFC 3339. Raises ValueError, OverflowError."""
    moment = datetime.fromisoformat(value)
    if _DATE.fullmatch(value):
        moment = moment.replace(tzinfo=UTC)
    if moment.tzinfo is None:
        raise ValueError("a time without an offset is ambiguous")
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
