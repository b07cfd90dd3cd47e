"""What is written about results: all of it comes from them, and nothing flatters the gateway."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from benchmarks import plot, report, results
from benchmarks.results import Judged, Result
from benchmarks.row import Figures, Goal, Row, ratio

GOAL = Goal("≤ 1.6 × nginx", 1.6, ratio("cpu_us", "gateway", "nginx"))
ROUNDS: list[dict[str, Figures]] = [
    {
        "gateway": {"cpu_us": gateway, "others": 1.0},
        "nginx": {"cpu_us": 10.0},
        "node": {"cpu_us": 40.0},
    }
    for gateway in (15.0, 18.0, 14.0)
]
ROW = Row("get", "GET", "How.", {"cpu_us": "CPU, µs"}, (GOAL,), lambda _: {})


def result(rounds: list[dict[str, Figures]] = ROUNDS) -> Result:
    """A result as a run makes it."""
    return Result(
        row="get", title="GET", method="How.", figures=dict(ROW.figures), smaller_is_better=True,
        rounds=rounds, missing={"caddy": "caddy is not installed"},
        goals=[Judged.of(GOAL, rounds)], at="2026-01-01T00:00:00+00:00", took=1.0, source="s",
        machine={"cpu": "c", "cores": 2, "memory_gb": 1, "kernel": "k", "load_before": 0.1},
        versions={"nginx": "1.22.1"},
    )  # fmt: skip


def test_a_goal_is_judged_by_the_median_of_its_rounds() -> None:
    """1.4, 1.5 and 1.8 of 1.6 is met; with a side left out it is not measured."""
    judged = Judged.of(GOAL, ROUNDS)
    assert (judged.verdict, judged.found) == ("ok", "1.5 (1.4–1.8)")
    assert Judged.of(GOAL, [ROUNDS[1]]).verdict == "NOT MET"
    assert Judged.of(GOAL, [{"gateway": {"cpu_us": 1.0}}]).verdict == "not measured"


def test_what_is_better_than_the_gateway_is_said_to_be() -> None:
    """And what is worse is not."""
    text = report.section(result())
    assert "The gateway needs 1.5 × what nginx needs" in text
    assert "what node needs" not in text
    assert "Left out: caddy: caddy is not installed." in text


def test_a_busy_machine_is_not_kept_quiet_about() -> None:
    """Numbers that others disturbed say so."""
    noisy = [{"gateway": {"cpu_us": 1.0, "others": 40.0}}]
    assert "not quiet" not in report.section(result())
    assert "not quiet" in report.section(result(noisy))


def test_what_people_wrote_around_the_numbers_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what stands between the marks is made anew."""
    monkeypatch.setattr(report, "PAGE", tmp_path / "benchmarks.md")
    monkeypatch.setattr(report, "PICTURES", tmp_path / "benchmarks")
    report.write([result()])
    first = report.PAGE.read_text()
    report.PAGE.write_text(f"{first.replace('# Benchmarks', '# Ours')}\n## Where it goes\n")
    report.write([result([ROUNDS[1]])])
    second = report.PAGE.read_text()
    assert second.startswith("# Ours")
    assert second.endswith("## Where it goes\n")
    assert "1.5 (1.4–1.8)" in first
    assert "1.5 (1.4–1.8)" not in second


def test_results_are_read_as_they_were_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for digits that mean nothing."""
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    assert Result.load(ROW) is None
    result().save()
    assert Result.load(ROW) == result()


def test_a_picture_has_a_bar_for_each_side() -> None:
    """In SVG that a parser takes."""
    root = ET.fromstring(plot.draw(result()))
    bars = root.findall("{http://www.w3.org/2000/svg}rect")
    assert [bar.get("class") for bar in bars] == ["gateway", "peer", "peer"]
    widths = [float(bar.get("width", "")) for bar in bars]
    assert widths[2] == max(widths) == plot.BARS
