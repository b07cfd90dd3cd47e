"""Times as people write them on a command line.

Tested in `tests/admin/cli/test_keys.py` and `test_audit.py`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

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
    """An option's callback: the time of expiry in RFC 3339, a duration, or `never`.

    The value is a duration, which the admin server adds to its own clock, a date (the moment when
    it begins in UTC), a date with a time and an offset, or `never`. Raises `click.BadParameter`.
    """
    if value is None or value == NEVER:
        return value
    try:
        milliseconds_in(value)
        return value
    except ValueError:
        pass
    try:
        return f"{_date(value):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError):
        expected = "should be as in 90d, 12h, 2030-01-31, 2030-01-31T12:00:00Z or never"
        raise click.BadParameter(expected, param=param) from None


def past(_: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """An option's callback: a moment in RFC 3339.

    The value is a duration before now (`7d` or `-7d`), a date (the moment when it begins in UTC),
    or a date with a time and an offset. Raises `click.BadParameter`.
    """
    if value is None:
        return None
    try:
        return f"{_before(value):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError):
        expected = "should be as in 7d, 12h, 2030-01-31 or 2030-01-31T12:00:00Z"
        raise click.BadParameter(expected, param=param) from None


def _before(value: str) -> datetime:
    """The moment that `value` names; a duration counts backwards from now.

    Raises ValueError, OverflowError.
    """
    try:
        return datetime.now(UTC) - timedelta(milliseconds=milliseconds_in(value.removeprefix("-")))
    except ValueError:
        return _date(value)


def _date(value: str) -> datetime:
    """The moment that a date names. Raises ValueError, OverflowError."""
    moment = datetime.fromisoformat(value)
    if _DATE.fullmatch(value):
        return moment.replace(tzinfo=UTC)
    if moment.tzinfo is None:
        raise ValueError("a time without an offset is ambiguous")
    return moment.astimezone(UTC)
