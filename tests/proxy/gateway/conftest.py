"""What tests of repeated requests share."""

from __future__ import annotations

import pytest

from proxy.gateway.repeat import Repeat


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each request for which there was a `Repeat` was sent by it."""
    seen: list[bool] = []
    begin = Repeat.begin

    def noted(self: Repeat, data: bytes) -> bool:
        seen.append(begin(self, data))
        return seen[-1]

    monkeypatch.setattr(Repeat, "begin", noted)
    return seen
