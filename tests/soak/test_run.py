"""A soak of a few seconds works: the load is served, and there are samples of everything."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

from tests.soak.judge import UNITS
from tests.soak.plot import PANELS, draw
from tests.soak.run import run


async def test_the_load_is_served_while_samples_are_taken(tmp_path: Path) -> None:
    """Whether a few seconds are flat says nothing."""
    record = await run(tmp_path, "sqlite", seconds=3, every=0.5)
    assert record.unexpected == {}
    assert {"get", "connect", "post", "refused", "guess", "limited", "api"} <= set(record.answers)
    assert set(PANELS) == set(UNITS)
    assert {name.rpartition(" ")[2] for name in record.verdicts} == set(UNITS)
    assert record.samples["n1 memory"][-1][1] > 10
    assert record.samples["n1 handles"][-1][1] > 10
    lines = ET.fromstring(draw(record)).iter("{http://www.w3.org/2000/svg}polyline")
    assert len(list(lines)) == len(record.verdicts)
