"""Measuring: each row's sides in turn, round by round, so that what drifts drifts for all."""

from __future__ import annotations

import datetime
import shutil
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack

from benchmarks.machine import describe
from benchmarks.processes import WORK, Missing, versions
from benchmarks.results import QUIET, Judged, Result, number, source
from benchmarks.row import Figures, Measure, Row, Stage, Unfit

FAILURES = (Missing, Unfit, RuntimeError, OSError, subprocess.SubprocessError)
"""What a server or a load may do without spoiling the rest."""


def measure(row: Row, *, rounds: int | None, seconds: int) -> Result:
    """Measure one row. Raises `Missing`, `Unfit`, `RuntimeError`."""
    began = time.monotonic()
    machine = describe()
    with ExitStack() as stack:
        stage = Stage(stack, seconds)
        sides = row.sides(stage)
        count = min(rounds, row.rounds) if rounds else row.rounds
        rounds_of = [one_round(row, stage, sides, this, count) for this in range(1, count + 1)]
    # A side that failed in any round is out of all of them.
    found = [{side: each[side] for side in sides} for each in rounds_of]
    if not sides:
        raise Unfit("no side could be measured")
    return Result(
        row=row.name,
        title=row.title,
        method=row.method,
        figures=dict(row.figures),
        smaller_is_better=row.smaller_is_better,
        rounds=found,
        missing=stage.missing,
        goals=[Judged.of(goal, found) for goal in row.goals],
        at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        took=time.monotonic() - began,
        source=source(),
        machine=machine,
        versions=versions(),
    )


def one_round(
    row: Row, stage: Stage, sides: dict[str, Measure], this: int, count: int
) -> dict[str, Figures]:
    """Each side once. One that fails is left out from here on, and taken out of `sides`."""
    main, title = next(iter(row.figures.items()))
    found = {}
    for name, measured in list(sides.items()):
        try:
            found[name] = figures = measured()
        except FAILURES as error:
            stage.leave_out(name, f"{type(error).__name__}: {error}")
            del sides[name]
            continue
        value = f"{number(figures[main])} {title}" if main in figures else "no figure"
        print(f"  round {this}/{count}  {name:<26} {value}", flush=True)
    return found


def measure_all(
    rows: Sequence[Row], *, rounds: int | None, seconds: int, resume: bool
) -> list[Result]:
    """Measure all of them. One that fails is said to have, and the others go on."""
    results, failed = [], []
    try:
        for place, row in enumerate(rows, 1):
            done = Result.load(row) if resume else None
            if done is not None and done.source == source():
                print(f"[{place}/{len(rows)}] {row.title}: done already", flush=True)
                results.append(done)
                continue
            print(f"[{place}/{len(rows)}] {row.title}", flush=True)
            try:
                result = measure(row, rounds=rounds, seconds=seconds)
            except FAILURES as error:
                print(f"  LEFT OUT: {type(error).__name__}: {error}", flush=True)
                failed.append(row.name)
                continue
            result.save()
            results.append(result)
            tell(result)
    finally:
        shutil.rmtree(WORK, ignore_errors=True)
        table(results)
    if failed:
        print(f"\nLEFT OUT: {', '.join(failed)}", flush=True)
    return results


def tell(result: Result) -> None:
    """How a row came out."""
    for goal in result.goals:
        print(f"  {goal.verdict:<12} {goal.text}: {goal.found}", flush=True)
    if result.others > QUIET:
        print(f"  NOT QUIET: others used {result.others:.0f} % of the server's core", flush=True)
    print(f"  {result.took:.0f} s", flush=True)


def table(results: Sequence[Result]) -> None:
    """Every goal on a line."""
    print("\nrow        verdict       found (least–most)     goal")
    for result in results:
        for goal in result.goals:
            print(f"{result.row:<10} {goal.verdict:<13} {goal.found:<22} {goal.text}")
