"""What is flat is said to be flat, and a leak is found, however noisy the samples are."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.soak.judge import UNITS, Load, Series, judge
from tests.soak.plot import draw
from tests.soak.record import Record

LOAD = Load(requests=150, connections=22, keys=1, reloads=1 / 60)
MINUTES = 30
LEVELS = {"memory": 150, "handles": 100, "threads": 25, "entries": 60, "p50": 2, "p99": 20}
LEAKS = {
    "memory": 24e-6 * LOAD.requests,  # MB: a float or a tuple of one for each request
    "handles": LOAD.connections / 500,
    "threads": LOAD.reloads,
    "entries": LOAD.keys / 5,
    "p50": 4 / 900,  # what grows with all that came before outweighs the rest
    "p99": 40 / 900,
}
"""How much each grows in a second where a run should fail."""


def series(value: Callable[[float], float]) -> Series:
    """Samples every five seconds."""
    return [(at, value(at)) for at in range(5, MINUTES * 60 + 1, 5)]


def noisy(kind: str, growth: float) -> Series:
    """One that grows by so much in a second, with noise of 2 %, and every tenth sample far off."""
    chance, level = random.Random(kind), LEVELS[kind]
    return series(
        lambda at: (
            growth * at
            + level * chance.gauss(1, 0.02) * (3 if chance.random() < 0.1 and kind[0] == "p" else 1)
        )
    )


@pytest.mark.parametrize("kind", UNITS)
def test_noise_is_flat_and_a_leak_beneath_it_is_found(kind: str) -> None:
    """Of every kind of series."""
    assert judge(kind, noisy(kind, 0), LOAD).flat
    assert not judge(kind, noisy(kind, LEAKS[kind]), LOAD).flat


def test_what_grows_in_the_first_half_alone_is_flat() -> None:
    """As caches do until they are full."""
    assert judge("memory", series(lambda at: 100 + min(at, 800)), LOAD).flat


def test_what_shrinks_is_flat() -> None:
    """Only growth counts."""
    assert judge("memory", series(lambda at: 1000 - at / 2), LOAD).flat


def record(leak: float) -> Record:
    """Of two nodes, of which the second may leak."""
    samples = {f"{node} {kind}": noisy(kind, 0) for node in ("n1", "n2") for kind in LEAKS}
    samples["n2 memory"] = noisy("memory", leak)
    samples |= {kind: noisy(kind, 0) for kind in ("p50", "p99")}
    samples["n1 memory of process 0"] = series(lambda at: at)  # for people alone
    return Record("postgres", MINUTES * 60.0, LOAD, samples, {"get": 3}, {})


def test_a_run_is_good_while_each_series_is_flat_and_each_answer_as_expected() -> None:
    """The summary names what grows."""
    assert record(0).good
    leaking = record(LEAKS["memory"])
    assert not leaking.good
    assert [line.split()[:3] for line in leaking.summary.splitlines() if "GROWS" in line] == [
        ["n2", "memory", "GROWS"]
    ]
    wrong = record(0)
    wrong.unexpected["get: 401"] = 1
    assert not wrong.good


def test_a_record_is_kept_in_a_file(tmp_path: Path) -> None:
    """All of it, with floats of six digits."""
    record(0).write(tmp_path / "soak.json")
    kept = Record.read(tmp_path / "soak.json")
    assert kept.summary == Record.read(tmp_path / "soak.json").summary
    kept.write(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_text() == (tmp_path / "soak.json").read_text()
    assert draw(kept) == draw(Record.read(tmp_path / "again.json"))
