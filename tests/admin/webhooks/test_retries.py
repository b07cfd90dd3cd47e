"""A message is sent again after ever longer times, and given up in the end."""

from __future__ import annotations

import pytest

from admin.webhooks.retries import DELAYS, JITTER, Outcome, after
from proxy.domain.events import Delivery, DeliveryState

NEW = Delivery(1, "msg_1", "ops", "key.rotated", "{}", 0)
FAILED = Outcome(500, "status 500")


@pytest.mark.parametrize("random", [0.0, 0.999])
def test_the_times_between_attempts_are_those_of_standard_webhooks(random: float) -> None:
    """From seconds to a day, each with some jitter; after the tenth attempt there is none."""
    delivery, now = NEW, 0
    for delay in DELAYS:
        delivery = after(delivery, FAILED, now, lambda: random)
        assert delivery.state is DeliveryState.WAITING
        assert delay * 1000 <= delivery.due - now <= delay * 1000 * (1 + JITTER)
        now = delivery.due
    last = after(delivery, FAILED, now, lambda: random)
    assert (last.state, last.attempts) == (DeliveryState.FAILED, 10)
    assert 3 * 86400 < now / 1000 < 4 * 86400


def test_a_message_that_arrived_is_not_sent_again() -> None:
    """Whatever the attempts before."""
    once = after(NEW, Outcome(None, "ServerDisconnectedError"), 5, lambda: 0)
    assert (once.status, once.error, once.attempted) == (None, "ServerDisconnectedError", 5)
    done = after(once, Outcome(202, None), 9, lambda: 0)
    assert (done.state, done.attempts, done.status) == (DeliveryState.DELIVERED, 2, 202)
    assert (done.error, done.attempted) == (None, 9)


def test_a_receiver_that_is_gone_is_not_asked_again() -> None:
    """410 says so."""
    assert after(NEW, Outcome(410, "status 410"), 1, lambda: 0).state is DeliveryState.FAILED
