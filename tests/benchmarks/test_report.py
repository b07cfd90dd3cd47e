"""The report on results: all of it is made from them, and nothing flatters the gateway."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from benchmarks import plot, report, results
from benchmarks.results import Judged, Result
from benchmarks.row import Figures, Goal, Row, ratio
from benchmarks.rows import ALL

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
    """A result as `benchmarks.run.measure` returns it."""
    return Result(
        row="get", title="GET", method="How.", figures=dict(ROW.figures), smaller_is_better=True,
        rounds=rounds, missing={"caddy": "caddy is not installed"},
        goals=[Judged.of(GOAL, rounds)], at="2026-01-01T00:00:00+00:00", took=1.0, source="s",
        machine={"cpu": "c", "cores": 2, "memory_gb": 1, "kernel": "k", "load_before": 0.1},
        versions={"nginx": "1.22.1"},
    )  # fmt: skip


def test_a_goal_is_judged_by_the_median_of_its_rounds() -> None:
    """With a limit of 1.6, rounds of 1.4, 1.5 and 1.8 meet it; without nginx nothing is judged."""
    judged = Judged.of(GOAL, ROUNDS)
    assert (judged.verdict, judged.found) == ("ok", "1.5 (1.4–1.8)")
    assert Judged.of(GOAL, [ROUNDS[1]]).verdict == "NOT MET"
    assert Judged.of(GOAL, [{"gateway": {"cpu_us": 1.0}}]).verdict == "not measured"


def test_the_report_names_the_servers_that_do_better_than_the_gateway() -> None:
    """It does not name those that do worse, and says which server could not be measured."""
    text = report.section(result())
    assert "nginx does better than the gateway by a factor of 1.5 (CPU, µs)" in text
    assert "node does better" not in text
    assert "caddy was left out: caddy is not installed." in text


def test_the_report_warns_of_numbers_that_were_measured_on_a_busy_machine() -> None:
    """It does so where other processes used much of the server's core."""
    noisy = [{"gateway": {"cpu_us": 1.0, "others": 40.0}}]
    assert "not quiet" not in report.section(result())
    assert "not quiet" in report.section(result(noisy))


def test_text_that_people_have_written_around_the_numbers_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the text between the two marks is replaced."""
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


def test_a_stored_result_is_read_as_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that was never measured has no result."""
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    assert Result.load(ROW) is None
    result().save()
    assert Result.load(ROW) == result()


def test_a_chart_has_a_bar_for_each_side() -> None:
    """It is well formed SVG, and the longest bar fills the width."""
    root = ET.fromstring(plot.draw(result()))
    bars = root.findall("{http://www.w3.org/2000/svg}rect")
    assert [bar.get("class") for bar in bars] == ["gateway", "peer", "peer"]
    widths = [float(bar.get("width", "")) for bar in bars]
    assert widths[2] == max(widths) == plot.BARS


def test_stored_results_have_the_texts_of_their_rows() -> None:
    """A row's title, method, figures or goals that change are changed in its result as well."""
    for row in ALL:
        stored = Result.load(row)
        assert stored is not None, f"row {row.name} has no result"
        texts = (stored.title, stored.method, stored.figures, [each.text for each in stored.goals])
        assert texts == (row.title, row.method, row.figures, [each.text for each in row.goals])


def test_the_page_and_its_charts_are_those_of_the_stored_results() -> None:
    """`python -m benchmarks --report-only` writes them."""
    stored = [found for row in ALL if (found := Result.load(row))]
    between = report.PAGE.read_text().partition(report.BEGIN)[2].partition(report.END)[0]
    assert between.strip() == report.measured(stored).strip()
    for each in stored:
        assert (report.PICTURES / f"{each.row}.svg").read_text() == plot.draw(each)
