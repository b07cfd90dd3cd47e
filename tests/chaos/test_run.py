"""Two nodes with faults between and in them keep what they promise."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.check import RULES, check
from tests.chaos.faults import NODE, STORE
from tests.chaos.run import run


async def test_what_is_promised_holds_whatever_fails(tmp_path: Path) -> None:
    """A short run; `make chaos` does longer ones, and checks how soon changes hold as well."""
    history = await run(tmp_path, seed=1, seconds=15, nodes=2, usual=0)
    assert check(history) == {rule: [] for rule in RULES}
    assert "done" in {change.outcome for change in history.changes}  # others depend on the machine
    assert {each.kind for each in history.faults} == {each.__name__ for each in (*NODE, *STORE)}
    assert {200, 401} <= {use.status for use in history.uses}
