"""Where bars, lines and labels of plots stand, whatever the values."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from admin.console.plots import (
    HEIGHT,
    LEAST,
    WIDTH,
    count_text,
    heights,
    line,
    scale,
    share_text,
    stacked,
    time_text,
)

counts = st.integers(0, 10**12)
bars = st.lists(st.tuples(counts, counts, counts, counts), min_size=1, max_size=90)
seconds = st.floats(1e-6, 1e4)


@given(st.floats(0, 1e12), st.booleans())
def test_a_scale_reaches_the_greatest_value_in_a_few_round_steps(most: float, whole: bool) -> None:
    """From 0; its steps are equal, and whole numbers where counts are plotted."""
    values = scale(most, whole=whole)
    assert values[0] == 0
    assert values[-1] >= most * (1 - 1e-9)
    assert 2 <= len(values) <= 6
    step = values[1]
    assert values == [step * number for number in range(len(values))]
    assert most == 0 or f"{step:e}"[0] in "125"
    assert not whole or step.is_integer()


@given(bars)
@example([(0, 0, 0, 400000001), (1, 1, 13125004, 13125004)])
@example([(0, 0, 0, 6000001), (1, 1, 175250, 219022)])
def test_parts_of_a_bar_lie_on_each_other_within_the_plot(given: list[tuple[int, ...]]) -> None:
    """A part that is not 0 can be seen, none is higher than a larger one, and a bar's height tells
    its sum."""
    values = scale(max(map(sum, given)), whole=True)
    unit = HEIGHT / values[-1]
    for bar in given:
        drawn = heights(bar, unit)
        assert [height > 0 for height in drawn] == [count > 0 for count in bar]
        assert min((height for height in drawn if height), default=LEAST) >= LEAST - 1e-6
        assert sum(drawn) == pytest.approx(max(sum(bar) * unit, LEAST * sum(map(bool, bar))))
        assert sum(drawn) <= HEIGHT + 1e-6
        in_order = [height for _, height in sorted(zip(bar, drawn, strict=True))]
        assert in_order == pytest.approx(sorted(drawn))


@given(bars)
def test_each_kind_is_one_path_with_a_rectangle_for_each_count(
    given: list[tuple[int, ...]],
) -> None:
    """No rectangle sticks out."""
    plot = stacked(given)
    assert len(plot.paths) == 4
    for kind, path in enumerate(plot.paths):
        rectangles = re.findall(r"M([\d.]+) ([\d.]+)h([\d.]+)v([\d.]+)h-([\d.]+)z", path)
        assert "".join(f"M{x} {y}h{w}v{h}h-{b}z" for x, y, w, h, b in rectangles) == path
        assert len(rectangles) == sum(bar[kind] > 0 for bar in given)
        for x, y, width, height, _ in rectangles:
            assert float(x) + float(width) <= WIDTH + 0.1
            assert -0.1 <= float(y) <= float(y) + float(height) <= HEIGHT + 0.2


@given(st.lists(st.none() | seconds, min_size=1, max_size=90))
def test_a_line_has_a_point_for_each_value_and_is_interrupted_where_there_is_none(
    values: list[float | None],
) -> None:
    """A line over a gap would claim what was not measured."""
    drawn, points = line(values).paths
    measured = [value is not None for value in values]
    runs = sum(
        now and not before for before, now in zip([False, *measured], measured, strict=False)
    )
    assert points.count("M") == sum(measured)
    assert drawn.count("M") == runs
    assert drawn.count("L") == sum(measured) - runs
    for y in re.findall(r" ([\d.-]+)", drawn):
        assert 0 <= float(y) <= HEIGHT


def test_what_has_no_values_has_a_scale_all_the_same() -> None:
    """Nothing is divided by zero."""
    assert stacked([(0, 0)]).paths == ["", ""]
    assert stacked([]).paths == []
    assert line([None]).paths == ["", ""]


@given(st.lists(st.integers(0, 10**9), min_size=1))
def test_lines_across_a_plot_have_different_texts(values: list[int]) -> None:
    """From its bottom to its top."""
    ticks = stacked([(value,) for value in values]).ticks
    assert len({tick.text for tick in ticks}) == len(ticks)
    assert (ticks[0].y, ticks[0].text, ticks[-1].y) == (HEIGHT, "0", 0)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (950, "950"), (1000, "1k"), (2500, "2.5k"), (3e6, "3M"), (5e9, "5G")],
)
def test_counts_on_an_axis_are_short(count: float, text: str) -> None:
    """They are round."""
    assert count_text(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0"), (0.0004, "0.4 ms"), (0.0123, "12.3 ms"), (0.9996, "1 s"), (1.5, "1.5 s")],
)
def test_times_have_the_unit_that_suits_them(seconds: float, text: str) -> None:
    """Three digits do."""
    assert time_text(seconds) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 0, "0%"),
        (0, 5, "0%"),
        (1, 10_000, "<0.1%"),
        (12, 1000, "1.2%"),
        (1, 50, "2%"),
        (1, 3, "33%"),
        (999, 1000, ">99%"),
        (5, 5, "100%"),
    ],
)
def test_a_share_is_nothing_or_all_only_where_it_is_exactly_that(
    part: int, whole: int, text: str
) -> None:
    """One refusal in a million is not 0%."""
    assert share_text(part, whole) == text
