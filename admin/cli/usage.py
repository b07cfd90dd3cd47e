"""`usage` of keys, environments and accounts: how many requests there were, as a bar chart.

Tested in `tests/admin/cli/test_usage.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Final

import click

from admin.cli.admin_client import AdminClient, Json
from admin.cli.crud import ResourceKind, environment_option
from admin.cli.errors import CommandError
from admin.cli.options import api_command, without_none
from admin.cli.output import Column, Output
from admin.cli.printable import printable
from admin.cli.times import past
from proxy.domain.usage import Dimension

BAR: Final = 20
"""Characters of the longest bar, where one thing is told apart: half of them where more are."""
MAX_FILLED: Final = 1000
"""Hours or days up to which those without requests are shown too."""
SUMS: Final = ("requests", "refused", "failed", "bytesIn", "bytesOut", "seconds")
"""What a row counts; the rest of it says of which requests."""
_TIMES: Final = {
    Dimension.HOUR: (timedelta(hours=1), "%Y-%m-%d %H:%M"),
    Dimension.DAY: (timedelta(days=1), "%Y-%m-%d"),
}
"""Dimension → how long its values last, and how they are shown."""
_BY_DAY: Final = timedelta(days=3)
"""The time from which on a report is by day unless `--by` says otherwise."""


def add_usage_command(group: click.Group, kind: ResourceKind) -> None:
    """Add `usage` to the group of a kind."""
    noun = kind.name

    @api_command(group, "usage", _HELP.format(noun=noun))
    @click.option(
        "--from",
        "start",
        metavar="WHEN",
        default="1d",
        show_default=True,
        callback=past,
        help="Begin then: 7d (seven days ago; or -7d), 2030-01-31 (when that day begins in UTC) or "
        "2030-01-31T12:00:00Z.",
    )
    @click.option("--to", "end", metavar="WHEN", callback=past, help="End then. [default: now]")
    @click.option(
        "--by",
        metavar="WHAT",
        callback=_dimensions,
        help=f"What to tell apart, one or several of {', '.join(Dimension)}, separated by commas. "
        "[default: hour; day if it is about three days or more]",
    )
    @environment_option(kind)
    @click.argument("name", metavar=noun.upper())
    def usage(
        client: AdminClient,
        output: Output,
        name: str,
        start: str,
        end: str | None,
        by: str | None,
        environment: str | None = None,
    ) -> None:
        found = kind.find(client, name, environment)
        query = without_none(to=end, by=by or _usual(start, end)) | {"from": start}
        answer = client.get(f"{kind.path}/{found['id']}/usage", query, "resourceType")
        _show(output, Report.of(answer), kind.label(found))


_HELP: Final = """Show how many requests one {noun} made, as a bar chart.

Requests are counted by the hour, so the hours in which the time begins and ends count in full.
Refused are those to which the gateway itself answered with 4xx, and failed are those answered with
5xx. With --quiet, only the number of requests is printed.
"""


def _dimensions(_: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """An option's callback: dimensions, separated by commas. Raises `click.BadParameter`."""
    for name in [] if value is None else value.split(","):
        if name not in set(Dimension):
            expected = f"{printable(name)!r} is not one of {', '.join(Dimension)}"
            raise click.BadParameter(expected, param=param)
    return value


def _usual(start: str, end: str | None) -> Dimension:
    """The dimension of a report on this time, where none is chosen."""
    begin = datetime.fromisoformat(start)
    span = (datetime.now(begin.tzinfo) if end is None else datetime.fromisoformat(end)) - begin
    return Dimension.DAY if span >= _BY_DAY else Dimension.HOUR


@dataclass(frozen=True, slots=True)
class Report:
    """What the admin server reports."""

    start: str
    end: str
    by: Sequence[str]
    rows: list[Json]
    total: Json
    """The sums of all rows."""

    @classmethod
    def of(cls, answer: Json) -> Report:
        """The report in an answer. Raises `CommandError`."""
        try:
            named = ["keyName"] if Dimension.KEY in answer["by"] else []
            shown = [*answer["by"], *named, *SUMS]
            rows = [{name: row[name] for name in shown} for row in answer["data"]]
            total = {name: sum(row[name] for row in rows) for name in SUMS}
            total["seconds"] = round(total["seconds"], 3)
            return cls(answer["from"], answer["to"], answer["by"], rows, total)
        except (KeyError, TypeError):
            raise CommandError("the admin server answered with a report of another kind") from None

    @property
    def charted(self) -> list[Json]:
        """The rows as a chart has them: hours and days without requests too; of anything else what
        was requested most first."""
        if not self.by or self.by[0] not in _TIMES:
            return sorted(self.rows, key=lambda row: -int(row["requests"]))
        (dimension, *others), there = self.by, {row[self.by[0]]: row for row in self.rows}
        step, _ = _TIMES[Dimension(dimension)]
        begin, end = datetime.fromisoformat(self.start), datetime.fromisoformat(self.end)
        if dimension == Dimension.DAY:
            begin = begin.replace(hour=0)
        if others or (end - begin) / step > MAX_FILLED:
            return self.rows
        moments = [begin + number * step for number in range(ceil((end - begin) / step))]
        names = [f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in moments]
        return [there.get(name, {dimension: name} | dict.fromkeys(SUMS, 0)) for name in names]


def _show(output: Output, report: Report, label: str) -> None:
    if output.quiet:
        click.echo(report.total["requests"])
    elif output.format != "table":
        shown = {"from": report.start, "to": report.end, "by": list(report.by)}
        output.dump({**shown, "total": report.total, "data": report.rows})
    else:
        click.echo(f"{label}, {_moment(report.start)} to {_moment(report.end)} UTC")
        if not report.rows:
            click.echo("no requests in this time")
            return
        output.show_list(_columns(report), report.charted)
        click.echo(_summary(report.total))


def _columns(report: Report) -> list[Column]:
    most = max([1, *(int(row["requests"]) for row in report.rows)])
    longest = BAR if len(report.by) == 1 else BAR // 2
    return [
        *map(_dimension_column, report.by),
        Column("REQUESTS", lambda row: f"{row['requests']:>8,}", no_wrap=True),
        Column("", lambda row: _block() * ceil(longest * row["requests"] / most), no_wrap=True),
        Column("REFUSED", lambda row: f"{row['refused']:>7,}", no_wrap=True),
        Column("FAILED", lambda row: f"{row['failed']:>6,}", no_wrap=True),
        Column("AVERAGE", lambda row: f"{_average(row):>7}", no_wrap=True),
    ]


def _dimension_column(name: str) -> Column:
    title = f"{name.upper()} (UTC)" if name in _TIMES else name.upper()
    if name == Dimension.KEY:
        return Column(title, lambda row: row["keyName"] or _value(name, row[name]))
    return Column(title, lambda row: _value(name, row[name]), no_wrap=name != Dimension.ROUTE)


def _value(dimension: str, value: object) -> object:
    """A value of a dimension as people read it."""
    if dimension in _TIMES:
        return f"{datetime.fromisoformat(str(value)):{_TIMES[Dimension(dimension)][1]}}"
    return "none" if value in {None, ""} else value


def _block() -> str:
    """What bars are made of: a block, where the output can encode it."""
    try:
        "█".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return "#"
    return "█"


def _average(row: Json) -> str:
    """How long a request took on average, from its head to its end."""
    if not row["requests"]:
        return ""
    seconds = row["seconds"] / row["requests"]
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def _summary(total: Json) -> str:
    counts = ", ".join(f"{total[name]:,} {name}" for name in ("requests", "refused", "failed"))
    received, sent = _bytes(total["bytesIn"]), _bytes(total["bytesOut"])
    return f"{counts}\n{received} in, {sent} out, {_average(total)} on average"


def _bytes(number: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def _moment(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M}"
