"""Two nodes with faults between and in them keep what they promise."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.chaos.check import RULES, check
from tests.chaos.faults import NODE, STORE
from tests.chaos.run import plan, run


async def test_what_is_promised_holds_whatever_fails(tmp_path: Path) -> None:
    """A short run; `make chaos` does longer ones, and checks how soon changes hold as well."""
    history = await run(tmp_path, seed=1, seconds=15, nodes=2, usual=0)
    assert check(history) == {rule: [] for rule in RULES}
    assert "done" in {change.outcome for change in history.changes}  # others depend on the machine
    assert {each.kind for each in history.faults} == {each.__name__ for each in (*NODE, *STORE)}
    assert {200, 401} <= {use.status for use in history.uses}


@pytest.mark.parametrize("seconds", [5, 60, 600])
def test_a_run_has_time_for_each_kind_of_fault(seconds: float) -> None:
    """However short it is; all faults and pauses together are as long as it."""
    planned = list(plan(random.Random(1), seconds, kinds=8))
    assert len(planned) >= 8
    assert all(length > 0.4 for length, _ in planned[:8])
    assert sum(length + pause for length, pause in planned) == pytest.approx(seconds)
