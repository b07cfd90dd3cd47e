"""A short run of the garden; `make garden` is a long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.garden.mutants import Mutator
from tests.garden.origins import NAMES
from tests.garden.run import outcome_of

SEED, COUNT = 1, 400
CLOSING = {"wsgiref"}
"""Origins that close each connection, so that nothing is repeated on one."""


@pytest.mark.parametrize("name", NAMES)
async def test_no_origin_sees_what_the_gateway_did_not_pass_on(tmp_path: Path, name: str) -> None:
    """No other environment, method, target or body, no request twice, and no forged identity."""
    outcome = await outcome_of(name, tmp_path, SEED, COUNT)
    assert outcome.faults == []
    assert outcome.mutants == COUNT
    assert outcome.seen > COUNT / 4
    assert outcome.answers[400] > COUNT / 4
    assert (outcome.repeated > COUNT / 20) == (name not in CLOSING)


def test_a_seed_gives_the_same_mutants_each_time() -> None:
    """A fault that was found can be found again."""
    one, other = Mutator(7), Mutator(7)
    credentials = b"Authorization: Basic eDp5\r\n"
    assert all(one.mutant(credentials) == other.mutant(credentials) for _ in range(100))
