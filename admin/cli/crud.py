"""The commands that keys, environments and accounts share: show, edit and the changes of state.

Who locks out the key that the command itself presents is warned, even with --yes.

Tested in `tests/admin/cli/test_accounts.py` and `test_keys.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import click

from admin.cli.admin_client import AdminClient, Json
from admin.cli.errors import warn
from admin.cli.limits import edited_limits
from admin.cli.options import api_command, confirm, require_terminal, without_none, yes_option
from admin.cli.output import Column, Output
from admin.cli.printable import printable
from admin.cli.wait import wait_everywhere, wait_option


@dataclass(frozen=True, slots=True)
class ResourceKind:
    """A kind of resource that has a state."""

    name: str
    path: str
    """The path of its collection."""
    columns: Sequence[Column]
    """Shown in lists."""
    details: Sequence[Column]
    """Shown for a single resource."""
    find: Callable[[AdminClient, str, str | None], Json]
    """Finds a resource by its id or name, within an environment if one is named."""
    in_environment: bool = False
    """Whether an environment can be named to look in."""
    edit_options: Sequence[Callable[[Any], Any]] = ()
    """The options of `edit`, besides the name and the description."""
    in_use: Callable[[AdminClient, Json], bool] = lambda client, resource: False
    """Whether the key that the command presents is this resource, or belongs to it."""
    changes: Callable[..., Json] = without_none
    """Makes the body of an edit from the values of its options."""

    def label(self, resource: Json) -> str:
        """What a question calls the resource: its kind, id and name."""
        name = resource.get("name")
        return printable(f"{self.name} {resource['id']}" + (f" ({name})" if name else ""))


_QUESTIONS = {
    "deactivate": "Deactivate the {}? Requests that depend on it are refused from then on.",
    "remove": "Remove the {} for good?",
    "purge": "Purge the {}? It can no longer be read then; the audit log keeps its history.",
}
"""The actions that need a confirmation."""


_IN_USE = (
    "this command presents the {}, or a key of it: once it is inactive, you need another key, "
    "and only another one can activate it again"
)


def environment_option(kind: ResourceKind) -> Callable[[Any], Any]:
    """`--environment` for the kinds that are found within one, as a decorator."""
    if not kind.in_environment:
        return _unchanged
    return click.option(
        "--environment",
        "environment",
        metavar="ENV",
        help="Look among the keys of this environment (id, slug or name).",
    )


def add_crud_commands(group: click.Group, kind: ResourceKind) -> None:
    """Add `show`, `edit` and the changes of state to the group of a kind."""
    noun = kind.name

    @api_command(group, "show", f"Show everything about one {noun}.")
    @environment_option(kind)
    @click.argument("name", metavar=noun.upper())
    def show(
        client: AdminClient, output: Output, name: str, environment: str | None = None
    ) -> None:
        output.show(kind.details, kind.find(client, name, environment))

    @api_command(group, "edit", f"Change one {noun}.")
    @click.option("--name", "new_name", help="Its new name.")
    @click.option("--description", help="Its new description.")
    @_each_of(kind.edit_options)
    @wait_option
    @environment_option(kind)
    @click.argument("name", metavar=noun.upper())
    def edit(
        client: AdminClient,
        output: Output,
        name: str,
        new_name: str | None,
        description: str | None,
        wait: float | None,
        environment: str | None = None,
        **others: Any,
    ) -> None:
        changes = kind.changes(name=new_name, description=description, **others)
        if not changes:
            raise click.UsageError("nothing to change: --help lists what can be changed")
        found = kind.find(client, name, environment)
        if "limits" in changes:
            changes["limits"] = edited_limits(found, changes["limits"])
        # In full: what was changed may be in no column of a list.
        output.show(kind.details, client.edit(f"{kind.path}/{found['id']}", changes))
        wait_everywhere(client, wait)

    _add_action(group, kind, "activate", f"Activate one {noun}.")
    _add_action(group, kind, "deactivate", f"Deactivate one {noun}; it can be activated again.")
    _add_action(group, kind, "remove", f"Remove one {noun} for good; it must be inactive.")
    _add_action(group, kind, "purge", f"Purge one removed {noun}, by its id.")


def _add_action(group: click.Group, kind: ResourceKind, action: str, text: str) -> None:
    question = _QUESTIONS.get(action)
    yes_option_if_needed: Callable[[Any], Any] = yes_option if question else _unchanged
    wait_option_if_useful: Callable[[Any], Any] = (
        wait_option if action != "purge" else _unchanged  # nothing depends on what was removed
    )

    @api_command(group, action, text)
    @yes_option_if_needed
    @wait_option_if_useful
    @environment_option(kind)
    @click.argument("name", metavar=kind.name.upper())
    def do(
        client: AdminClient,
        output: Output,
        name: str,
        yes: bool = False,
        wait: float | None = None,
        environment: str | None = None,
    ) -> None:
        if question and not yes:
            require_terminal()  # before the first request
        found = kind.find(client, name, environment)
        if action == "deactivate" and kind.in_use(client, found):
            warn(_IN_USE.format(kind.label(found)))
        if question:
            confirm(question.format(kind.label(found)), yes)
        path = f"{kind.path}/{found['id']}"
        changed = client.remove(path) if action == "remove" else client.apply(path, action)
        output.show_row(kind.columns, changed)
        wait_everywhere(client, wait)


def _each_of(options: Sequence[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def _unchanged(function: Any) -> Any:
    return function
