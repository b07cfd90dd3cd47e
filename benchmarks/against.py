"""Compares results with those that were stored before: `--against`."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.processes import ROOT
from benchmarks.results import FOLDER, Result, Spread, number, spread_text
from benchmarks.row import Row


def stored(source: str, rows: Sequence[Row]) -> dict[str, Result]:
    """The results of rows by their names, out of a folder or a revision of this repository. A row
    that has none there is left out. Raises `ValueError` where `source` is neither."""
    folder = Path(source)
    if folder.is_dir():
        paths = [folder / f"{row.name}.json" for row in rows]
        texts = [path.read_text() if path.exists() else "" for path in paths]
    elif _git("rev-parse", "--quiet", "--verify", "--end-of-options", f"{source}^{{commit}}"):
        inside = FOLDER.relative_to(ROOT)
        texts = [_git("show", "--end-of-options", f"{source}:{inside}/{row.name}.json")
                 for row in rows]  # fmt: skip
    else:
        raise ValueError(f"{source} is neither a folder nor a revision")
    return {row.name: Result.parse(text) for row, text in zip(rows, texts, strict=True) if text}


def _git(*arguments: str) -> str:
    """What git prints, and nothing where it fails."""
    done = subprocess.run(
        ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False
    )
    return "" if done.returncode else done.stdout


def compared(before: Result, now: Result) -> Iterator[str]:
    """Lines on the first figure of each side, and on each goal, that both results have."""
    figure, heading = next(iter(now.figures.items()))
    yield f"{now.row}: {heading}"
    if any(before.machine[name] != now.machine[name] for name in ("cpu", "cores", "kernel")):
        machine = f"{before.machine['cpu']}, {before.machine['kernel']}"
        yield f"  measured on another machine before ({machine}): compare ratios alone"
    for side in now.sides:
        was = before.spread(side, figure) if side in before.sides else None
        found = now.spread(side, figure)
        if was is not None and found is not None:
            yield f"  {changed(was, found, smaller=now.smaller_is_better)}: {side}"
    earlier = {goal.text: goal for goal in before.goals}
    for goal in now.goals:
        if goal.text in earlier:
            then = earlier[goal.text]
            yield f"  {then.found} → {goal.found}  {goal.verdict}: {goal.text}"


def changed(was: Spread, found: Spread, *, smaller: bool) -> str:
    """How a figure has changed. It is better or worse only where no round of one is like any of the
    other. `smaller`: whether less is better."""
    factor = f" ({number(found[0] / was[0])} ×)" if was[0] else ""
    verdict = ""
    if found[2] < was[1] or found[1] > was[2]:
        verdict = ", better" if (found[0] < was[0]) == smaller else ", WORSE"
    return f"{spread_text(was)} → {spread_text(found)}{factor}{verdict}"
