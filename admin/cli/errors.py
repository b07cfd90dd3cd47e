"""How a command ends that failed: one message that says what to do next, and an exit status.

Tested by the commands that raise these, and in `tests/admin/cli/test_client.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

import click

from admin.cli.printable import printable


class CommandError(click.ClickException):
    """The command failed: exit status 1."""

    def show(self, file: object = None) -> None:
        """Print the message without the usage."""
        click.echo(f"wardgate: {self.format_message()}", err=True)


class InvalidConfiguration(CommandError):
    """The configuration has problems: exit status 2."""

    exit_code = 2


class Forbidden(CommandError):
    """The admin server refused the credentials, or they do not permit this: exit status 3."""

    exit_code = 3


class NotFound(CommandError):
    """The resource does not exist, or the credentials do not permit to see it: exit status 4."""

    exit_code = 4


class NotYet(CommandError):
    """What was changed does not hold on all nodes yet: exit status 4."""

    exit_code = 4


class Unreachable(CommandError):
    """The admin server does not answer: exit status 5."""

    exit_code = 5


class Rejected(CommandError):
    """The admin server understood the request, but a value in it cannot be used: exit status 1."""


def error_from(status: int, error: Mapping[str, object], url: str, access_key: str) -> CommandError:
    """The exception for an answer with this status and this error resource, of the server at
    `url`, to a request that presented `access_key`."""
    message, detail, field = (error.get(name) for name in ("message", "detail", "fieldName"))
    code = error.get("code")
    if status == 401:
        message = (
            f"the admin server at {url} refused the credentials of {access_key}: they are "
            "wrong, inactive or expired; check --url, --access-key, the environment variables "
            "WARDGATE_… and .netrc"
        )
    if status == 405 and detail:  # a change that the resource's state does not permit
        message, detail = detail, None
    text = str(message) + (f": {detail}" if detail else "") + (f" ({field})" if field else "")
    text = printable(text)
    match status:
        case 401 | 403:
            return Forbidden(text)
        case 404:
            return NotFound(text)
        case 422 if code == "InvalidReference":
            return NotFound(text)
        case 422:
            return Rejected(text)
        case _:
            return CommandError(text)


def warn(text: str) -> None:
    """Print a warning; the command goes on."""
    click.echo(f"wardgate: warning: {text}", err=True)
