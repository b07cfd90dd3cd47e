"""Results are compared with those of before, and nothing is called worse that may be chance."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import against, results
from benchmarks.against import changed, compared, stored
from tests.benchmarks.test_report import ROUNDS, ROW, result


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose only commit has a result of `ROW`."""
    folder = tmp_path / "benchmarks" / "results"
    folder.mkdir(parents=True)
    for module in (against, results):
        monkeypatch.setattr(module, "FOLDER", folder)
    monkeypatch.setattr(against, "ROOT", tmp_path)
    result().save()
    who = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    for command in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "-m", "measured"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    return folder


def test_results_of_before_are_found_in_a_revision_or_a_folder(repository: Path) -> None:
    """Those of the revision are still there once others are stored."""
    result(ROUNDS[:1]).save()
    assert stored("HEAD", [ROW]) == {"get": result()}
    assert stored(str(repository), [ROW]) == {"get": result(ROUNDS[:1])}


def test_a_row_that_was_not_measured_before_is_left_out(repository: Path) -> None:
    """In a folder and in a revision."""
    new = replace(ROW, name="new")
    assert stored(str(repository), [ROW, new]) == stored("HEAD", [ROW, new]) == {"get": result()}


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("source", ["HEAD~9", "--output=x", "no-such-folder"])
def test_what_is_neither_is_an_error(source: str) -> None:
    """Also what git could take for an option."""
    with pytest.raises(ValueError, match="neither a folder nor a revision"):
        stored(source, [ROW])


def test_a_figure_is_worse_where_no_round_is_like_one_of_before() -> None:
    """And better likewise; which of them more is depends on the row."""
    before = (10.0, 9.0, 11.0)
    assert (
        changed(before, (10.9, 10.5, 20.0), smaller=True) == "10 (9–11) → 10.9 (10.5–20) (1.09 ×)"
    )
    assert changed(before, (12.0, 11.5, 13.0), smaller=True).endswith("(1.2 ×), WORSE")
    assert changed(before, (12.0, 11.5, 13.0), smaller=False).endswith("(1.2 ×), better")
    assert changed(before, (8.0, 7.0, 8.5), smaller=True).endswith("(0.8 ×), better")
    assert changed((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), smaller=True) == "0 → 1, WORSE"


def test_sides_and_goals_that_both_have_are_compared() -> None:
    """A side that is new has nothing to be compared with."""
    old = result([{side: each[side] for side in ("gateway", "nginx")} for each in ROUNDS])
    text = "\n".join(compared(old, result()))
    assert "15 (14–18) → 15 (14–18) (1 ×): gateway" in text
    assert "node" not in text
    assert "another machine" not in text
    assert "1.5 (1.4–1.8) → 1.5 (1.4–1.8)  ok: ≤ 1.6 × nginx" in text


def test_another_machine_is_said_to_be_another() -> None:
    """Its figures say nothing of the program, unlike ratios of two servers."""
    elsewhere = replace(result(), machine=result().machine | {"kernel": "another"})
    text = "\n".join(compared(elsewhere, result()))
    assert "measured on another machine before (c, another): compare ratios alone" in text
