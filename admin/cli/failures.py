"""How a command ends that did not do what it was asked: one clear message and an exit status."""

from __future__ import annotations

from collections.abc import Mapping

import click

from admin.cli.texts import printable


class Failure(click.ClickException):
    """It failed, and one clear message says why: exit status 1."""

    def show(self, file: object = None) -> None:
        """The message without the usage."""
        click.echo(f"wardgate: {self.format_message()}", err=True)


class Misconfigured(Failure):
    """The configuration is at fault."""

    exit_code = 2


class Forbidden(Failure):
    """The admin server takes no such credentials, or they may not do this."""

    exit_code = 3


class Missing(Failure):
    """What was named is not there, or not for these credentials to see."""

    exit_code = 4


class Unreachable(Failure):
    """Nobody answers where the admin server should be."""

    exit_code = 5


class Refusal(Failure):
    """The admin server answered that it does not do what was asked, for another reason."""


def refusal_of(status: int, error: Mapping[str, object]) -> Failure:
    """What an error that the admin server answered with comes to."""
    message, detail, field = (error.get(name) for name in ("message", "detail", "fieldName"))
    code = error.get("code")
    if status == 401:
        message = "the admin server takes no such credentials: they are wrong, inactive or expired"
    if status == 405 and detail:  # what the state does not allow; the method is our business
        message, detail = detail, None
    text = str(message) + (f": {detail}" if detail else "") + (f" ({field})" if field else "")
    text = printable(text)
    match status:
        case 401 | 403:
            return Forbidden(text)
        case 404:
            return Missing(text)
        case 422 if code == "InvalidReference":
            return Missing(text)
        case 422:
            return Refusal(text)
        case _:
            return Failure(text)


def warn(text: str) -> None:
    """Say something that does not stop the command."""
    click.echo(f"wardgate: warning: {text}", err=True)
