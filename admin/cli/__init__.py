"""The command line of the admin server: a client of its HTTP API, as any other.

Nothing here but `click` is imported before a command needs it: `wardgate --help` shall be quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

import click

GROUPS: Final = {
    "keys": ("keys", "Make, show, change and end API keys."),
    "environments": ("environments", "Environments: what environment keys act in."),
    "accounts": ("accounts", "Accounts: whom account keys act for."),
    "members": ("members", "Which accounts reach an environment, and as what."),
    "settings": ("settings", "Settings that change at run time."),
    "audit": ("audit", "The audit log: read it, keep it, verify it."),
    "import": ("imports", "Take over credentials that were made elsewhere."),
}
"""The groups of commands: the module of each, and what it is for."""

EXIT_STATUS: Final = """\
\b
Exit status: 0 done, 1 failed, 2 wrong usage, 3 refused (credentials or
permission), 4 not found, 5 the admin server cannot be reached."""


class Deferred(click.Group):
    """A group whose module is imported when one of its commands is needed."""

    def __init__(self, name: str, module: str, text: str) -> None:
        super().__init__(name, help=text, epilog=EXIT_STATUS)
        self._module = f"{__name__}.{module}"

    def _group(self) -> click.Group:
        group: click.Group = import_module(self._module).group
        return group

    def list_commands(self, ctx: click.Context) -> list[str]:
        return self._group().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return self._group().get_command(ctx, cmd_name)


def groups() -> list[click.Group]:
    """All of them, none loaded yet."""
    return [Deferred(name, module, text) for name, (module, text) in GROUPS.items()]
