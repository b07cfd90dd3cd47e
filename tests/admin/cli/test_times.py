"""Times on a command line, as they are sent to the admin server."""

from __future__ import annotations

import click
import pytest

from admin.cli.times import expiry, past

CONTEXT = click.Context(click.Command("keys"))
OPTION = click.Option(["--when"])


def test_the_server_counts_a_duration_from_its_own_now() -> None:
    """The clock of the machine that runs the command may be wrong."""
    assert expiry(CONTEXT, OPTION, "90d") == "90d"
    assert past(CONTEXT, OPTION, "7d") == "-7d"


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("2030-01-31", "2030-01-31T00:00:00Z"),
        ("2030-01-31T12:00:00Z", "2030-01-31T12:00:00Z"),
        ("2030-01-31T12:00:00+02:00", "2030-01-31T10:00:00Z"),
    ],
)
def test_a_date_is_sent_as_a_moment_in_utc(value: str, sent: str) -> None:
    """A date without a time is the moment when it begins."""
    assert expiry(CONTEXT, OPTION, value) == past(CONTEXT, OPTION, value) == sent


@pytest.mark.parametrize("value", ["", "soon", "90", "2030-01-31T12:00:00", "2030-13-01"])
def test_what_is_no_time_is_a_usage_error(value: str) -> None:
    """It says what a time looks like."""
    for callback in (expiry, past):
        with pytest.raises(click.BadParameter, match="2030-01-31T12:00:00Z"):
            callback(CONTEXT, OPTION, value)
