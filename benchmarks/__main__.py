"""The command line: which rows are measured, in how many rounds, and the report on them."""

from __future__ import annotations

import sys

import click

from benchmarks import report
from benchmarks.against import compared, stored
from benchmarks.machine import LOAD_CORE, SERVER_CORE
from benchmarks.processes import install
from benchmarks.results import Result
from benchmarks.row import Row
from benchmarks.rows import ALL
from benchmarks.run import measure_all

NAMES = [row.name for row in ALL]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--rows", default="", metavar="A,B", help=f"Only these: {', '.join(NAMES)}.")
@click.option("--rounds", type=click.IntRange(1), help="The most rounds of each row.")
@click.option("--seconds", type=click.IntRange(1), default=2, show_default=True,
              help="How long one measurement takes.")  # fmt: skip
@click.option("--quick", is_flag=True,
              help="One round, of a second for each measurement, of the rows that are not slow. "
              "Nothing is written.")  # fmt: skip
@click.option("--against", metavar="FOLDER|REV",
              help="Compare with the results in a folder, or of a revision here.")  # fmt: skip
@click.option("--resume", is_flag=True, help="Skip rows that were measured with exactly this code.")
@click.option("--no-install", is_flag=True, help="Do not install missing programs.")
@click.option(
    "--report-only",
    is_flag=True,
    help="Measure nothing; write the report again from the stored results.",
)
def main(
    rows: str, rounds: int | None, seconds: int, quick: bool, against: str | None, resume: bool,
    no_install: bool, report_only: bool,
) -> None:  # fmt: skip
    """Measure the gateway beside other servers, and write docs/benchmarks.md."""
    chosen = _chosen(rows, quick=quick)
    try:
        before = stored(against, chosen) if against else {}
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if report_only:
        found = [result for row in chosen if (result := Result.load(row))]
    else:
        if SERVER_CORE == LOAD_CORE:
            raise click.ClickException("two cores are needed: one for servers, one for the load")
        if not no_install:
            install()
        if quick:
            rounds, seconds = 1, 1
        found = measure_all(chosen, rounds=rounds, seconds=seconds, resume=resume, store=not quick)
    for now in found:
        if now.row in before:
            click.echo("\n" + "\n".join(compared(before[now.row], now)))
    if not quick:
        report.write([result for row in ALL if (result := Result.load(row))])
        click.echo(f"\nwritten: {report.PAGE}")
    sys.exit(not report_only and len(found) != len(chosen))


def _chosen(rows: str, *, quick: bool) -> list[Row]:
    """The rows that are named, or all; those that take long are not in all of `--quick`."""
    names = rows.replace(",", " ").split()
    if unknown := set(names) - set(NAMES):
        raise click.UsageError(f"no such row: {', '.join(sorted(unknown))}")
    if names:
        return [row for row in ALL if row.name in names]
    if quick:
        click.echo(f"left out: {', '.join(row.name for row in ALL if row.slow)}")
    return [row for row in ALL if not (quick and row.slow)]


if __name__ == "__main__":
    main()
