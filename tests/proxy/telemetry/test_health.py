"""What does not work: how often it is logged, counted and shown."""

from __future__ import annotations

import logging

import pytest

from proxy.telemetry.health import Health


def test_a_trouble_is_logged_once_and_once_more_when_it_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """However often it is reported, while each failure is counted."""
    health = Health()
    report = health.watch("upstream", "upstream a", "does not answer: %s", "answers again")
    assert dict(health.failures) == {"upstream": 0}
    with caplog.at_level(logging.WARNING, "wardgate"):
        for cause in (None, "refused", "refused", "no route"):
            report(cause)
        assert health.current == ["upstream a does not answer: no route"]
        for cause in (None, None, "refused"):
            report(cause)
    assert caplog.messages == [
        "upstream a does not answer: refused",
        "upstream a answers again",
        "upstream a does not answer: refused",
    ]
    assert dict(health.failures) == {"upstream": 4}


def test_troubles_of_one_kind_are_shown_separately() -> None:
    """And one that is over is no longer shown."""
    health = Health()
    a, b = (health.watch("upstream", name, "fails: %s", "works") for name in "ab")
    a("x")
    b("y")
    assert health.current == ["a fails: x", "b fails: y"]
    a(None)
    assert health.current == ["b fails: y"]


def test_what_is_not_watched_any_more_is_forgotten(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is logged, since nothing is known to work again."""
    health = Health()
    health.watch("upstream", "a", "fails: %s", "works")("x")
    health.forget("a")
    health.forget("never watched")
    assert health.current == []
    assert caplog.messages == ["a fails: x"]
