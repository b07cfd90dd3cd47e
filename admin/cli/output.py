"""What a command shows: tables for people, JSON or YAML for programs, or ids alone.

Data goes to standard output and nothing else does. Names and descriptions are other people's text:
they reach the terminal as text, never as markup or as control characters.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from admin.cli.texts import printable, printable_json

if TYPE_CHECKING:
    from rich.table import Table

Json: TypeAlias = dict[str, Any]

FORMATS = ("table", "json", "yaml")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table, or a line about one resource."""

    title: str
    value: str | Callable[[Json], object]
    """The name of a field, or what makes the value from the resource."""
    whole: bool = False
    """Whether it is never broken over two lines, so that it can be copied."""

    def text(self, resource: Json) -> str:
        """What stands in it."""
        value = self.value(resource) if callable(self.value) else resource.get(self.value)
        if value is None:
            return ""
        if isinstance(value, bool):
            return "yes" if value else "no"
        return printable(str(value))


@dataclass(frozen=True, slots=True)
class Output:
    """How results are shown."""

    form: str = "table"
    quiet: bool = False

    def many(self, columns: Sequence[Column], resources: Iterable[Json]) -> None:
        """A list."""
        if self.quiet:
            for resource in resources:
                click.echo(printable(str(resource["id"])))
        elif self.form == "table":
            _table(columns, resources)
        else:
            self.data(list(resources))

    def one(self, columns: Sequence[Column], resource: Json) -> None:
        """A resource, with a line for each of `columns`."""
        self._single(_lines, columns, resource)

    def row(self, columns: Sequence[Column], resource: Json) -> None:
        """A resource, as it stands in a list."""
        self._single(lambda columns, resource: _table(columns, [resource]), columns, resource)

    def _single(
        self,
        draw: Callable[[Sequence[Column], Json], None],
        columns: Sequence[Column],
        resource: Json,
    ) -> None:
        if self.quiet:
            click.echo(printable(str(resource["id"])))
        elif self.form == "table":
            draw(columns, resource)
        else:
            self.data(resource)

    def data(self, value: object) -> None:
        """For a program."""
        if self.form == "yaml":
            import yaml

            click.echo(yaml.safe_dump(value, sort_keys=False, allow_unicode=True), nl=False)
        else:
            click.echo(printable_json(json.dumps(value, indent=2, ensure_ascii=False)))


def _table(columns: Sequence[Column], resources: Iterable[Json]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(Text(column.title), no_wrap=column.whole, overflow="fold")
    for resource in resources:
        table.add_row(*(Text(column.text(resource)) for column in columns))
    _draw(table)


def _lines(columns: Sequence[Column], resource: Json) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for column in columns:
        if text := column.text(resource):
            table.add_row(Text(column.title), Text(text))
    _draw(table)


def _draw(table: Table) -> None:
    from rich.console import Console

    # Where no terminal limits it, a table is as wide as what is in it.
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 1_000_000)
    with console.capture() as drawn:
        console.print(table)
    for line in drawn.get().splitlines():
        click.echo(line.rstrip())
