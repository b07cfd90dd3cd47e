"""A proxy that cannot ask forwards nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fronts.cases import Case
from tests.fronts.fronts import ASKED, STARTS, running_front
from tests.harness import status
from tests.programs import free_port

EXPECTED = {"nginx": 503, "caddy": 502, "haproxy": 503}


@pytest.mark.parametrize("name", STARTS)
async def test_nothing_is_forwarded_while_nobody_answers(name: str, tmp_path: Path) -> None:
    """A good key and a public path get an error as everybody does."""
    nowhere = f"127.0.0.1:{free_port()}"
    async with running_front(name, tmp_path, lambda text: text.replace(ASKED, nowhere)) as front:
        for key, target in (("owner", b"/v1/projects/a/x"), (None, b"/ping")):
            raw = Case("", 200, key, target=target).request(front.pairs)
            assert status(await front.send(raw)) == EXPECTED[name]
        assert front.arrived() == []
