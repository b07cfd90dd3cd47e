"""Keys, environments and accounts lead the same life, by the same commands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from admin.cli.options import Office, confirm, demand_terminal, given, office_command, yes_option
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
    find: Callable[[Office, str, str | None], Json]
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

    @office_command(group, "show", f"Everything about one {word}.")
    @within_option(noun)
    @click.argument("name", metavar=word.upper())
    def show(office: Office, output: Output, name: str, within: str | None = None) -> None:
        output.one(noun.details, noun.find(office, name, within))

    @office_command(group, "edit", f"Change the name or description of one {word}.")
    @click.option("--name", "new_name", help="Its new name.")
    @click.option("--description", help="Its new description.")
    @within_option(noun)
    @click.argument("name", metavar=word.upper())
    def edit(
        office: Office,
        output: Output,
        name: str,
        new_name: str | None,
        description: str | None,
        within: str | None = None,
    ) -> None:
        changes = given(name=new_name, description=description)
        if not changes:
            raise click.UsageError("nothing to change: give --name or --description")
        found = noun.find(office, name, within)
        output.row(noun.columns, office.edit(f"{noun.path}/{found['id']}", changes))

    _add_act(group, noun, "activate", f"Activate one {word}.")
    _add_act(group, noun, "deactivate", f"Deactivate one {word}; it can be activated again.")
    _add_act(group, noun, "remove", f"Remove one {word}, which must be inactive, for good.")


def _add_act(group: click.Group, noun: Noun, act: str, text: str) -> None:
    asks = act in _QUESTIONS
    if_asked: Callable[[Any], Any] = yes_option if asks else _as_it_is

    @office_command(group, act, text)
    @if_asked
    @within_option(noun)
    @click.argument("name", metavar=noun.word.upper())
    def do(
        office: Office, output: Output, name: str, yes: bool = False, within: str | None = None
    ) -> None:
        if asks and not yes:
            demand_terminal()  # before anything is asked of the office
        found = noun.find(office, name, within)
        if asks:
            confirm(_QUESTIONS[act].format(noun.called(found)), yes)
        path = f"{noun.path}/{found['id']}"
        output.row(noun.columns, office.remove(path) if act == "remove" else office.act(path, act))


def _as_it_is(function: Any) -> Any:
    return function
