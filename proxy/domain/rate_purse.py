"""What one process has been granted of one rate, and what it asks for next. Pure.

The rules that live here:

- Requests that were granted are let through within `LIFE` from the moment before they were asked
  for, or never. So what is let through follows what was granted by that at most.
- What is let through as a courtesy, before it was granted, is a debt. It is paid from what is
  granted next, and there is no more courtesy until then.
- A process asks ahead only for what it has used in each of two seconds, and only if that was more
  than a few. So of a small limit none is granted in vain; a request waits for an answer instead.

Tested in `tests/proxy/domain/test_rate_purse.py`.
"""

from __future__ import annotations

from typing import Final

from proxy.domain.gcra import SECOND, Rate
from proxy.domain.rate_grants import RateGrant, courtesy

LIFE: Final = 2 * SECOND
"""For how many microseconds a grant can be used."""
FEW: Final = 4
"""So many requests a second are asked for ahead, at least."""
HOLD: Final = SECOND // 4
"""For how long nothing more is asked for, after there was less than wanted."""


class Purse:
    """Of one subject. All times are microseconds of a clock that never goes back."""

    __slots__ = (
        "_courtesy",
        "_demand",
        "_demand_before",
        "_grants",
        "_left",
        "_more_at",
        "_refuses_until",
        "debt",
        "rate",
    )

    def __init__(self, rate: Rate, sharing: int | None, debt: int = 0) -> None:
        """`sharing`: how many processes share the rate, None where that is not known yet. `debt` is
        that of before an edit of the rate."""
        self.rate = rate
        self.debt = debt
        """How many requests were let through without a grant."""
        self._courtesy = 0 if sharing is None else courtesy(rate, sharing)
        self._grants: list[list[int]] = []
        """Of each, how many requests are left, and when it ends; the first is used first."""
        self._left = 0
        """How much more could be granted to anybody, as last told."""
        self._more_at = 0
        """From when on that is more."""
        self._refuses_until = 0
        self._demand = 0
        self._demand_before = 0

    def left(self, now: int) -> int | None:
        """How many requests may be let through at once; 0 where the rate has no more for now, and
        None where more has to be asked for first."""
        held = self.held(now)
        if held:
            return held
        if now < self._refuses_until:
            self._demand += 1
            return 0
        return 1 if self.debt < self._courtesy else None

    def held(self, now: int) -> int:
        """How many requests may be let through by what was granted."""
        grants = self._grants
        while grants and (grants[0][1] <= now or not grants[0][0]):
            del grants[0]
        return sum(grant[0] for grant in grants) if grants else 0

    def spend(self, now: int) -> bool:
        """Let a request through, of which `left` has told that there is one. Returns whether to ask
        for more."""
        self._demand += 1
        if self.held(now):
            self._grants[0][0] -= 1
            return False
        self.debt += 1
        return True

    def wanted(self, waiting: int) -> int:
        """What to ask for where requests wait for it. Who had many within this second gets a few
        more, so that not each one has to wait."""
        return self.debt + max(waiting, self._demand // 4)

    def wanted_ahead(self, now: int) -> int:
        """What to ask for ahead of requests. Called once a second."""
        steady = min(self._demand, self._demand_before)
        self._demand_before, self._demand = self._demand, 0
        if now < self._refuses_until:
            return 0
        ahead = steady * 3 // 2 - self.held(now) if steady >= FEW else 0
        return self.debt + max(0, ahead)

    def is_idle(self, now: int) -> bool:
        """Whether nothing is lost where it is forgotten."""
        in_use = self._demand or self._demand_before or self.debt
        return not in_use and now >= self._refuses_until and not self.held(now)

    def add(self, grant: RateGrant, wanted: int, sent: int, now: int) -> None:
        """Take a grant, which was asked for at `sent`, and wanted to be so large."""
        paid = min(self.debt, grant.granted)
        self.debt -= paid
        if grant.granted > paid:
            self._grants.append([grant.granted - paid, sent + LIFE])
        self._courtesy = courtesy(self.rate, grant.sharing)
        self._left, self._more_at = grant.left, now + grant.wait
        short = grant.granted < wanted
        self._refuses_until = max(now + HOLD, self._more_at) if short else 0

    def reading(self, now: int) -> tuple[int, int]:
        """How many requests are left as far as is known, and in how many microseconds there are
        more."""
        held, wait = self.held(now), max(0, self._more_at - now)
        if not held and now < self._refuses_until:
            return 0, self._refuses_until - now
        return max(0, held + self._left - self.debt), wait
