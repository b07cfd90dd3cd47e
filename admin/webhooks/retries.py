"""When a message is sent again, and when no more. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, NamedTuple

from proxy.domain.events import Delivery, DeliveryState

_MINUTE: Final = 60
_HOUR: Final = 3600
DELAYS: Final = (
    *(5, 5 * _MINUTE, 30 * _MINUTE, 2 * _HOUR, 5 * _HOUR),
    *(10 * _HOUR, 14 * _HOUR, 20 * _HOUR, 24 * _HOUR),
)
"""Seconds after each attempt that failed until the next one, as Standard Webhooks recommends: ten
attempts in three days."""
JITTER: Final = 0.2
"""How much longer a delay may be, as a part of it, so that messages which failed together do not
come back together."""
GONE: Final = 410
"""The receiver wants no more of it (Standard Webhooks)."""


class Outcome(NamedTuple):
    """Of one attempt."""

    status: int | None
    """None where there was no answer."""
    error: str | None
    """Why it failed; None: the receiver has the message."""


def after(delivery: Delivery, outcome: Outcome, now: int, random: Callable[[], float]) -> Delivery:
    """The message after an attempt that ended `now`, in milliseconds since the epoch. `random`
    returns a number from 0 on and below 1."""
    attempts = delivery.attempts + 1
    done = replace(
        delivery, attempts=attempts, attempted=now, status=outcome.status, error=outcome.error
    )
    if outcome.error is None:
        return replace(done, state=DeliveryState.DELIVERED)
    if outcome.status == GONE or attempts > len(DELAYS):
        return replace(done, state=DeliveryState.FAILED)
    delay = DELAYS[attempts - 1] * 1000
    return replace(done, due=now + delay + int(delay * JITTER * random()))
