"""Measures rows: the sides of a row in turn, round after round.

A machine that becomes slower or faster meanwhile then affects all sides alike.
"""

from __future__ import annotations

import datetime
import shutil
import time
from collections.abc import Sequence
from contextlib import ExitStack

from benchmarks.machine import describe
from benchmarks.processes import WORK, versions
from benchmarks.results import QUIET, Judged, Result, number, source
from benchmarks.row import FAILURES, Figures, Measure, Row, Stage, Unfit


def measure(row: Row, *, rounds: int | None, seconds: int) -> Result:
    """Measure one row. Raises `Missing`, `Unfit`, `RuntimeError`."""
    began = time.monotonic()
    machine = describe()
    with ExitStack() as stack:
        stage = Stage(stack, seconds)
        sides = row.sides(stage)
        count = min(rounds, row.rounds) if rounds else row.rounds
        rounds_of = [one_round(row, stage, sides, this, count) for this in range(1, count + 1)]
    # A side that failed in one round is removed from all rounds.
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
    """Measure each side once. One that fails is left out from then on, and removed from `sides`."""
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
    rows: Sequence[Row], *, rounds: int | None, seconds: int, resume: bool, store: bool = True
) -> list[Result]:
    """Measure the rows. One that fails is reported, and the others are still measured. `store`:
    whether to replace their stored results."""
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
            if store:
                result.save()
            results.append(result)
            print_result(result)
    finally:
        shutil.rmtree(WORK, ignore_errors=True)
        print_goals(results)
    if failed:
        print(f"\nLEFT OUT: {', '.join(failed)}", flush=True)
    return results


def print_result(result: Result) -> None:
    """Print whether the goals of a row were met."""
    for goal in result.goals:
        print(f"  {goal.verdict:<12} {goal.text}: {goal.found}", flush=True)
    if result.others > QUIET:
        print(f"  NOT QUIET: others used {result.others:.0f} % of the server's core", flush=True)
    print(f"  {result.took:.0f} s", flush=True)


def print_goals(results: Sequence[Result]) -> None:
    """Print the goals of all rows, one on each line."""
    print("\nrow        verdict       found (least–most)     goal")
    for result in results:
        for goal in result.goals:
            print(f"{result.row:<10} {goal.verdict:<13} {goal.found:<22} {goal.text}")
