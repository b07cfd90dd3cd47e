"""The options that all commands share, and the confirmations that some of them need.

Tested by the commands, above all in `tests/admin/cli/test_help.py` and `test_keys.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

import click

from admin.cli.admin_client import URL, AdminClient
from admin.cli.credentials import ACCESS_KEY, SECRET_KEY, SECRET_KEY_FILE
from admin.cli.errors import CommandError
from admin.cli.output import FORMATS, Output
from admin.cli.server_url import DEFAULT_URL
from proxy.domain.errors import WardgateError

WAIT: Final = "30s"
"""For how long `--wait` waits where it does not say."""
ROLES: Final = click.Choice(["owner", "member", "restricted", "readonly"])


def api_command(
    group: click.Group,
    name: str,
    text: str | None = None,
    output: Callable[[Any], Any] | None = None,
) -> Callable[[Callable[..., None]], click.Command]:
    """Make a function a command of `group`; its first arguments are an `AdminClient` and an
    `Output`. The help is `text`, or the function's docstring. `output` is an option in place of the
    shared `--output`."""

    def decorate(function: Callable[..., None]) -> click.Command:
        @wraps(function)
        def run(output_format: str, quiet: bool, **values: Any) -> None:
            for stream in (sys.stdout, sys.stderr):  # for names that the locale cannot encode
                if hasattr(stream, "reconfigure"):
                    stream.reconfigure(errors="backslashreplace")
            client = AdminClient(**{field: values.pop(field) for field in _CLIENT_FIELDS})
            try:
                function(client, Output(output_format, quiet), **values)
            except WardgateError as error:
                raise CommandError(str(error)) from None
            finally:
                client.close()

        command: Any = run
        own = command.__dict__.pop("__click_params__", [])  # listed before the shared ones
        for option in reversed((output or _OUTPUT, *_SHARED_OPTIONS)):
            command = option(command)
        command.__click_params__ += own
        return group.command(name, help=text, cls=_Command)(command)

    return decorate


class _Command(click.Command):
    """A command in which `--wait` does not take the next word for its time: that has to follow on
    `=`, so that the word may be what the command is about."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        full = [f"--wait={WAIT}" if each == "--wait" else each for each in args[:end]]
        return super().parse_args(ctx, full + args[end:])


_CLIENT_FIELDS = ("url", "access_key", "secret_key_file", "ca_file", "insecure_http")
_OUTPUT = click.option(
    "--output",
    "-o",
    "output_format",
    type=click.Choice(FORMATS),
    default="table",
    show_default=True,
)
_SHARED_OPTIONS = (
    click.option("--quiet", "-q", is_flag=True, help="Print only ids."),
    click.option("--url", help=f"The admin server's URL. [{URL}; default: {DEFAULT_URL}]"),
    click.option(
        "--access-key", help=f"The access key to use. [{ACCESS_KEY}; default: from .netrc]"
    ),
    click.option(
        "--secret-key-file",
        metavar="FILE",
        help="Read the secret key from this file; -: standard input. "
        f"[{SECRET_KEY_FILE} or {SECRET_KEY}; default: from .netrc]",
    ),
    click.option(
        "--ca-file", metavar="FILE", help="Trust only these authorities (PEM) for https://."
    ),
    click.option(
        "--insecure-http",
        is_flag=True,
        help="Allow http:// to another machine, which sends the secret key unencrypted.",
    ),
)


def confirm(question: str, yes: bool) -> None:
    """Ask for a confirmation unless `yes`. Raises `click.Abort`, `click.UsageError`."""
    if not yes:
        require_terminal()
        click.confirm(question, abort=True, err=True)


def require_terminal() -> None:
    """Raises `click.UsageError` if standard input is no terminal."""
    if not sys.stdin.isatty():
        raise click.UsageError(
            "cannot ask for confirmation without a terminal: add --yes to go ahead"
        )


yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")
search_option = click.option(
    "--search",
    metavar="TEXT",
    help="Those with this text in their name, description, slug or access key.",
)
limit_option = click.option("--limit", type=click.IntRange(min=1), help="Show at most this many.")


def sort_options(*fields: str) -> Callable[[Any], Any]:
    """`--sort` by one of `fields`, and `--desc`, as a decorator."""

    def decorate(function: Any) -> Any:
        function = click.option("--desc", is_flag=True, help="Sort in descending order.")(function)
        return click.option("--sort", type=click.Choice(fields), help="Sort by this field.")(
            function
        )

    return decorate


def sorting(sort: str | None, desc: bool) -> dict[str, str]:
    """The query parameters for an order."""
    query = {} if sort is None else {"sort": sort}
    return query | ({"order": "desc"} if desc else {})


def without_none(**values: object) -> dict[str, Any]:
    """The `values` that are not None."""
    return {name: value for name, value in values.items() if value is not None}
