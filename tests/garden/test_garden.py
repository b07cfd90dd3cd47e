"""A short walk through the garden; `make garden` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.garden.mutants import Nursery
from tests.garden.origins import NAMES
from tests.garden.run import grow

SEED, COUNT = 1, 400


@pytest.mark.parametrize("name", NAMES)
async def test_no_origin_sees_what_the_gateway_did_not_let_pass(tmp_path: Path, name: str) -> None:
    """No other environment, method, target or body, no second request and no forged identity."""
    harvest = await grow(name, tmp_path, SEED, COUNT)
    assert harvest.wrongs == []
    assert harvest.mutants == COUNT
    assert harvest.seen > COUNT / 4
    assert harvest.answers[400] > COUNT / 4


def test_a_seed_is_a_run() -> None:
    """Whoever finds something can find it again."""
    one, other = Nursery(7), Nursery(7)
    credentials = b"Authorization: Basic eDp5\r\n"
    assert all(one.mutant(credentials) == other.mutant(credentials) for _ in range(100))
