"""The command line of the admin server: a client of its HTTP API like any other.

The rule that lives here: only `click` is imported before a command needs more, so that
`wardgate --help` is fast. Tested in `tests/admin/cli/test_help.py`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

import click

GROUPS: Final = {
    "keys": ("keys", "Create, show, change and remove API keys."),
    "environments": ("environments", "Environments, in which environment keys act."),
    "accounts": ("accounts", "Accounts, for which account keys act."),
    "members": ("members", "Members: accounts with a role in an environment."),
    "settings": ("settings", "Settings that can change while the gateway runs."),
    "upstreams": ("upstreams", "Show the upstreams, their targets and how these do."),
    "nodes": ("nodes", "Show the nodes that share the store, and forget dead ones."),
    "audit": ("audit", "Show, export and verify the audit log."),
    "webhooks": ("webhooks", "What was sent to webhooks, and what failed."),
    "import": ("imports", "Import passwords that users already have."),
}
"""Group of commands → its module and its help."""

WHOAMI: Final = "Show the key that commands present, and what it belongs to."

EXIT_STATUS: Final = """\
\b
Exit status: 0 done, 1 failed, 2 wrong usage, 3 refused (credentials or
permission), 4 not found, or with --wait done but not on all nodes yet,
5 the admin server cannot be reached."""


class Group(click.Group):
    """A group that says where the options of its commands belong."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            name = error.option_name
            text = f"No such option '{name}' here: those of a command stand behind its name."
            raise click.NoSuchOption(name, text, error.possibilities, ctx) from None


class Deferred(Group):
    """A group whose module is imported only when one of its commands is needed."""

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


class DeferredCommand(click.Command):
    """A command whose module is imported only when the command is needed. It is the one in the
    module's group, under the same name."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        command: click.Command = import_module(f"{__name__}.{self.name}").group.commands[self.name]
        return command.make_context(info_name, args, parent, **extra)


def commands() -> list[click.Command]:
    """All groups, and the commands outside a group; none of their modules is imported yet."""
    groups = [Deferred(name, module, text) for name, (module, text) in GROUPS.items()]
    return [*groups, DeferredCommand("whoami", help=WHOAMI)]
