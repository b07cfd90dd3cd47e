"""The command line: which rows are measured, in how many rounds, and the report on them."""

from __future__ import annotations

import sys

import click

from benchmarks import report
from benchmarks.machine import LOAD_CORE, SERVER_CORE
from benchmarks.processes import install
from benchmarks.results import Result
from benchmarks.rows import ALL
from benchmarks.run import measure_all

NAMES = [row.name for row in ALL]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--rows", default="", metavar="A,B", help=f"Only these: {', '.join(NAMES)}.")
@click.option("--rounds", type=click.IntRange(1), help="The most rounds of each row.")
@click.option("--seconds", type=click.IntRange(1), default=3, show_default=True,
              help="How long one measurement takes.")  # fmt: skip
@click.option("--resume", is_flag=True, help="Skip rows that were measured with exactly this code.")
@click.option("--no-install", is_flag=True, help="Do not install missing programs.")
@click.option(
    "--report-only",
    is_flag=True,
    help="Measure nothing; write the report again from the stored results.",
)
def main(
    rows: str, rounds: int | None, seconds: int, resume: bool, no_install: bool, report_only: bool
) -> None:
    """Measure the gateway beside other servers, and write docs/benchmarks.md."""
    wanted = rows.replace(",", " ").split() or NAMES
    unknown = set(wanted) - set(NAMES)
    if unknown:
        raise click.UsageError(f"no such row: {', '.join(sorted(unknown))}")
    complete = True
    if not report_only:
        if SERVER_CORE == LOAD_CORE:
            raise click.ClickException("two cores are needed: one for servers, one for the load")
        if not no_install:
            install()
        chosen = [row for row in ALL if row.name in wanted]
        found = measure_all(chosen, rounds=rounds, seconds=seconds, resume=resume)
        complete = len(found) == len(chosen)
    report.write([result for row in ALL if (result := Result.load(row))])
    click.echo(f"\nwritten: {report.PAGE}")
    sys.exit(not complete)


if __name__ == "__main__":
    main()
