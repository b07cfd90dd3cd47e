"""The rows of the benchmarks, and the arithmetic behind their figures."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.gateway import seed
from benchmarks.machine import cpu_seconds, family
from benchmarks.postgres import copy
from benchmarks.row import Row
from benchmarks.rows import ALL
from benchmarks.rows.million import fill
from benchmarks.rows.rank import cliffs_delta
from benchmarks.rows.store import CHANGE, PAGE, blocks, costs, steps
from benchmarks.run import measure
from tests.programs import program


def test_no_two_rows_have_the_same_name() -> None:
    """Each row also has a figure, because its first one is drawn."""
    assert len({row.name for row in ALL}) == len(ALL)
    assert all(row.figures for row in ALL)


def test_cliffs_delta_is_computed_as_it_is_defined() -> None:
    """Over all pairs: those where the first is greater, less those where the second is."""
    chance = random.Random(1)
    ours = [float(chance.randrange(20)) for _ in range(60)]
    theirs = [float(chance.randrange(25)) for _ in range(40)]
    signs = [(one > other) - (one < other) for one in ours for other in theirs]
    assert cliffs_delta(ours, theirs) == sum(signs) / len(signs)
    assert cliffs_delta([2.0], [1.0]) == 1
    assert cliffs_delta([1.0], [1.0]) == 0


def test_cpu_time_is_counted_for_a_process_and_its_children() -> None:
    """The time of a child counts while the child still runs."""
    code = "sum(range(3_000_000)); print(flush=True); input()"
    before = cpu_seconds(os.getpid())
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert child.pid in family(os.getpid())
        of_child = cpu_seconds(child.pid)  # it still runs, so the second reading may be greater
        assert cpu_seconds(os.getpid()) - before >= of_child > 0
        child.communicate(b"\n")


def test_what_a_page_costs_is_counted_in_either_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In steps of SQLite, and after `wardgate store copy` in blocks of PostgreSQL."""
    monkeypatch.setattr("benchmarks.processes.WORK", tmp_path)
    seeded = seed()
    fill(seeded.path, 3 * PAGE)
    in_sqlite = asyncio.run(costs(f"sqlite:///{seeded.path}", "name", steps))
    url, _ = copy(seeded)
    in_postgres = asyncio.run(costs(url, "name", blocks))
    for found in (in_sqlite, in_postgres):
        assert found.keys() == {"first", "second", "last"}
        assert min(found.values()) > 0
    assert in_sqlite["first"] > 10 * PAGE


@pytest.mark.parametrize("row", [CHANGE], ids=lambda row: row.name)
def test_a_row_is_measured_with_real_servers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: Row
) -> None:
    """The servers run as processes, and the goals of the row are judged."""
    program("nginx")
    monkeypatch.setattr("benchmarks.processes.WORK", tmp_path)
    result = measure(row, rounds=1, seconds=1)
    assert [goal.verdict for goal in result.goals] == ["ok"]
    assert result.rounds[0]["gateway"]["stale"] == 0
