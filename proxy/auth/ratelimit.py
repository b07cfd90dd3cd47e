"""How many wrong guesses somebody has: a few at once, then one now and then. In constant memory.

The rule that lives here: nothing is ever locked, and no number of names pushes another's budget
out. Names share a table of slots, by Python's keyed hash, so nobody can aim at the slot of another.
"""

from __future__ import annotations

import ipaddress
import time
from array import array
from collections.abc import Callable
from typing import Final

SLOTS: Final = 65_536


class Budget:
    """`burst` failures at once and one every `seconds`, for each name (GCRA, as in ATM's)."""

    def __init__(
        self, burst: int, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` tells seconds, monotonic."""
        self._cost = seconds
        self._depth = burst * seconds
        self._clock = clock
        self._paid_until = array("d", bytes(8 * SLOTS))

    def is_spent(self, name: str) -> bool:
        """Whether `name` has no failure left."""
        return self._debt(name) > self._depth - self._cost

    def is_untouched(self, name: str) -> bool:
        """Whether `name` has failed not at all lately."""
        return self._debt(name) <= 0

    def charge(self, name: str, failures: int = 1) -> None:
        """Count failures."""
        debt = max(0, self._debt(name)) + failures * self._cost
        self._paid_until[hash(name) % SLOTS] = self._clock() + debt

    def refund(self, name: str, failures: int = 1) -> None:
        """Count so many failures less: they were none."""
        self._paid_until[hash(name) % SLOTS] -= failures * self._cost

    def _debt(self, name: str) -> float:
        return self._paid_until[hash(name) % SLOTS] - self._clock()


def source_of(address: str) -> str:
    """Who stands behind an address: of IPv6 the /64, of which anybody has a whole one."""
    if ":" not in address:
        return address
    if address.startswith("::ffff:"):
        return address.removeprefix("::ffff:")
    return str(ipaddress.ip_network((address.partition("%")[0], 64), strict=False))


BURST: Final = 20


class GuessLimiter:
    """The budgets of credentials that anybody could have made up."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` tells seconds, monotonic."""
        self._sources = Budget(BURST, 1.0, clock)
        self._keys = Budget(BURST, 1.0, clock)
        self._second_chances = Budget(1, 1.0, clock)

    def admit(self, address: str, access_key: str) -> int:
        """0 where a guess may not be verified, else as how many failures of its source it counts,
        until it is forgiven.

        A key that others guess at still gets one try a second from whoever has not failed; but that
        costs a source all that it has, so that none takes one such try after the other.
        """
        if self.refuses(address, access_key):
            return 0
        cost = 1
        if self._keys.is_spent(access_key):
            self._second_chances.charge(access_key)
            cost = BURST
        else:
            self._keys.charge(access_key)
        self._sources.charge(source_of(address), cost)
        return cost

    def refuses(self, address: str, access_key: str) -> bool:
        """Whether a guess would not be admitted now."""
        source = source_of(address)
        if self._sources.is_spent(source):
            return True
        return self._keys.is_spent(access_key) and (
            self._second_chances.is_spent(access_key) or not self._sources.is_untouched(source)
        )

    def forgive(self, address: str, access_key: str, cost: int) -> None:
        """It was right, or nobody could tell: it counts no longer, as what it did (`cost`)."""
        self._sources.refund(source_of(address), cost)
        if cost == 1:
            self._keys.refund(access_key)
