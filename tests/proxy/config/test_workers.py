"""How many workers there are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from proxy.config.workers import MOST_WORKERS, cores, processes


def test_a_number_is_taken_as_it_is() -> None:
    """However many cores there are."""
    assert processes(1) == 1
    assert processes(7) == 7


def test_auto_is_one_for_each_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to a bound."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(3)))
    assert processes("auto") in {1, 2, 3}
    monkeypatch.setattr("proxy.config.workers.cores", lambda: 1000)
    assert processes("auto") == MOST_WORKERS


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("max 100000\n", 8),
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("1000 100000\n", 1),
        ("9900000 100000\n", 8),
        ("nonsense\n", 8),
        ("0 0 0\n", 8),
    ],
)
def test_a_container_has_no_more_cores_than_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, count: int
) -> None:
    """Its control group says how much that is."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    (tmp_path / "cpu.max").write_text(text)
    assert cores(tmp_path) == count


def test_without_a_control_group_all_cores_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a machine without containers."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert cores(tmp_path) == 8
