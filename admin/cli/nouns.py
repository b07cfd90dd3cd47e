"""Keys, environments and accounts lead the same life, by the same commands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from admin.cli.options import AdminClient, api_command, confirm, demand_terminal, given, yes_option
from admin.cli.output import Column, Output
from admin.cli.texts import printable

if TYPE_CHECKING:
    from admin.cli.client import Json


@dataclass(frozen=True, slots=True)
class Noun:
    """A kind of thing that has a state."""

    word: str
    path: str
    """Of its collection."""
    columns: Sequence[Column]
    """Of lists."""
    details: Sequence[Column]
    """Of a single one."""
    find: Callable[[AdminClient, str, str | None], Json]
    """By what a person calls it, within an environment where that is named."""
    within: bool = False
    """Whether an environment can be named to look in."""

    def called(self, resource: Json) -> str:
        """The resource in a question."""
        name = resource.get("name")
        return printable(f"{self.word} {resource['id']}" + (f" ({name})" if name else ""))


_QUESTIONS = {
    "deactivate": "Deactivate the {}? Whoever depends on it is refused from then on.",
    "remove": "Remove the {} for good?",
}
"""The acts that are asked about."""


def within_option(noun: Noun) -> Callable[[Any], Any]:
    """`--environment`, where that helps to find one."""
    if not noun.within:
        return _as_it_is
    return click.option(
        "--environment", "within", metavar="ENV", help="Look among the keys of this environment."
    )


def add_life(group: click.Group, noun: Noun) -> None:
    """Add `show`, `edit`, `activate`, `deactivate` and `remove` to the group of a noun."""
    word = noun.word

    @api_command(group, "show", f"Everything about one {word}.")
    @within_option(noun)
    @click.argument("name", metavar=word.upper())
    def show(client: AdminClient, output: Output, name: str, within: str | None = None) -> None:
        output.one(noun.details, noun.find(client, name, within))

    @api_command(group, "edit", f"Change the name or description of one {word}.")
    @click.option("--name", "new_name", help="Its new name.")
    @click.option("--description", help="Its new description.")
    @within_option(noun)
    @click.argument("name", metavar=word.upper())
    def edit(
        client: AdminClient,
        output: Output,
        name: str,
        new_name: str | None,
        description: str | None,
        within: str | None = None,
    ) -> None:
        changes = given(name=new_name, description=description)
        if not changes:
            raise click.UsageError("nothing to change: give --name or --description")
        found = noun.find(client, name, within)
        output.row(noun.columns, client.edit(f"{noun.path}/{found['id']}", changes))

    _add_action(group, noun, "activate", f"Activate one {word}.")
    _add_action(group, noun, "deactivate", f"Deactivate one {word}; it can be activated again.")
    _add_action(group, noun, "remove", f"Remove one {word}, which must be inactive, for good.")


def _add_action(group: click.Group, noun: Noun, action: str, text: str) -> None:
    asks = action in _QUESTIONS
    if_asked: Callable[[Any], Any] = yes_option if asks else _as_it_is

    @api_command(group, action, text)
    @if_asked
    @within_option(noun)
    @click.argument("name", metavar=noun.word.upper())
    def do(
        client: AdminClient, output: Output, name: str, yes: bool = False, within: str | None = None
    ) -> None:
        if asks and not yes:
            demand_terminal()  # before anything is asked of the admin server
        found = noun.find(client, name, within)
        if asks:
            confirm(_QUESTIONS[action].format(noun.called(found)), yes)
        path = f"{noun.path}/{found['id']}"
        output.row(
            noun.columns, client.remove(path) if action == "remove" else client.apply(path, action)
        )


def _as_it_is(function: Any) -> Any:
    return function
