"""Metrics tell how many keys expire soon."""

from __future__ import annotations

from proxy.metrics.keys import of_keys
from tests.proxy.metrics.scrape import scrape


def test_keys_that_expire_soon_are_shown_by_days() -> None:
    """As they were last counted."""
    assert (
        scrape(lambda: of_keys([(1, 2), (30, 5)])).items()
        >= {
            ("wardgate_keys_expiring", "1"): 2,
            ("wardgate_keys_expiring", "30"): 5,
        }.items()
    )
