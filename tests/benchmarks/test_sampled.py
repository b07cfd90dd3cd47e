"""The table of phases by which the gateway's CPU time is attributed."""

from __future__ import annotations

import sys
from pathlib import Path

import proxy
from benchmarks.sampled import LOOP, PHASES, phase, phase_of

ROOT = Path(proxy.__file__).parent


def test_every_entry_of_the_phase_table_names_a_package_or_a_module() -> None:
    """A module that was renamed has to be renamed in `benchmarks/sampled.py` as well."""
    gone = [
        entry
        for entry in PHASES
        if not (ROOT / f"{entry}.py").is_file() and not (ROOT / entry / "__init__.py").is_file()
    ]
    assert not gone, f"benchmarks/sampled.py, PHASES: nothing in proxy/ is named {', '.join(gone)}"


def test_a_module_belongs_to_its_own_phase_or_else_to_that_of_its_package() -> None:
    """A module that is added later is counted where the rest of its package is."""
    assert phase_of(str(ROOT / "http1" / "outbound.py")) == PHASES["http1/outbound"]
    assert phase_of(str(ROOT / "http1" / "added_later.py")) == PHASES["http1"]
    assert phase_of(str(ROOT / "domain" / "model.py")) is None
    assert phase_of(__file__) is None


def test_code_that_belongs_to_no_phase_is_counted_for_its_caller() -> None:
    """Without a caller in the gateway it is counted for the event loop."""
    scope: dict[str, object] = {"phase": phase, "frame": sys._getframe}
    code = compile("seen = phase(frame())", str(ROOT / "auth" / "decision.py"), "exec")
    exec(code, scope)
    assert scope["seen"] == PHASES["auth/decision"]
    assert phase(sys._getframe()) == phase(None) == LOOP
