"""What a command prints: tables for people, JSON or YAML for programs, or only ids.

The rule that lives here: data goes to standard output, and only data. Names and descriptions were
written by others, so they are printed as text, never as markup or control characters.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from admin.cli.admin_client import Json
from admin.cli.printable import printable, printable_json

if TYPE_CHECKING:
    from rich.table import Table

FORMATS = ("table", "json", "yaml")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table of resources, or a line about one resource."""

    title: str
    value: str | Callable[[Json], object]
    """The name of a field, or a function from the resource to the value."""
    no_wrap: bool = False
    """Whether the value stays on one line, so that it can be copied."""

    def text(self, resource: Json) -> str:
        """The text of the cell."""
        value = self.value(resource) if callable(self.value) else resource.get(self.value)
        if value is None:
            return ""
        if isinstance(value, bool):
            return "yes" if value else "no"
        return printable(str(value))


@dataclass(frozen=True, slots=True)
class Output:
    """How results are printed."""

    format: str = "table"
    quiet: bool = False

    def show_list(self, columns: Sequence[Column], resources: Iterable[Json]) -> None:
        """Print resources as a table, with their ids alone if `quiet`."""
        if self.quiet:
            for resource in resources:
                click.echo(printable(str(resource["id"])))
        elif self.format == "table":
            _table(columns, resources)
        else:
            self.dump(list(resources))

    def show(self, columns: Sequence[Column], resource: Json) -> None:
        """Print a resource, with a line for each of `columns`."""
        self._single(_lines, columns, resource)

    def show_row(self, columns: Sequence[Column], resource: Json) -> None:
        """Print a resource as a table with one row."""
        self._single(lambda columns, resource: _table(columns, [resource]), columns, resource)

    def _single(
        self,
        draw: Callable[[Sequence[Column], Json], None],
        columns: Sequence[Column],
        resource: Json,
    ) -> None:
        if self.quiet:
            click.echo(printable(str(resource["id"])))
        elif self.format == "table":
            draw(columns, resource)
        else:
            self.dump(resource)

    def dump(self, value: object) -> None:
        """Print data as JSON or YAML."""
        if self.format == "yaml":
            import yaml

            click.echo(yaml.safe_dump(value, sort_keys=False, allow_unicode=True), nl=False)
        else:
            click.echo(printable_json(json.dumps(value, indent=2, ensure_ascii=False)))


def _table(columns: Sequence[Column], resources: Iterable[Json]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(Text(column.title), no_wrap=column.no_wrap, overflow="fold")
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

    # Without a terminal, a table is as wide as its content.
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 1_000_000)
    with console.capture() as drawn:
        console.print(table)
    for line in drawn.get().splitlines():
        click.echo(line.rstrip())
