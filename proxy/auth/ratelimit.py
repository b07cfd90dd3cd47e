"""Rate limits for wrong guesses at credentials, in constant memory.

The rule that lives here: nothing is ever locked, and no number of names pushes the budget of
another name out. Names share a table of slots by a keyed hash, Python's own where there is one
process, so that an attacker cannot choose the slot of another name.
"""

from __future__ import annotations

import ipaddress
import time
from array import array
from collections.abc import Callable, MutableSequence, Sequence
from typing import Final, NamedTuple

SLOTS: Final = 65_536


class Cells(NamedTuple):
    """Where the three budgets of a `GuessLimiter` are kept: `SLOTS` monotonic times for each, and
    which of them is that of a name. Workers share them, and need the same hash."""

    times: Sequence[MutableSequence[float]]
    slot_of: Callable[[str], int]


def own_cells() -> Cells:
    """Those of a process that shares them with nobody."""
    return Cells([array("d", bytes(8 * SLOTS)) for _ in range(3)], hash)


class Budget:
    """For each name, `burst` failures at once and one more every `seconds` (GCRA, as in ATM)."""

    def __init__(
        self,
        burst: int,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        times: MutableSequence[float] | None = None,
        slot_of: Callable[[str], int] = hash,
    ) -> None:
        """`clock` returns monotonic seconds. `times` and `slot_of` are as in `Cells`."""
        self._cost = seconds
        self._depth = burst * seconds
        self._clock = clock
        self._paid_until = array("d", bytes(8 * SLOTS)) if times is None else times
        self._slot_of = slot_of

    def is_spent(self, name: str) -> bool:
        """Whether `name` may not fail once more now."""
        debt = self._paid_until[self._slot_of(name) % SLOTS] - self._clock()
        return debt > self._depth - self._cost

    def is_untouched(self, name: str) -> bool:
        """Whether no failure of `name` counts any more."""
        return self._paid_until[self._slot_of(name) % SLOTS] <= self._clock()

    def charge(self, name: str, failures: int = 1) -> None:
        """Count failures."""
        slot = self._slot_of(name) % SLOTS
        paid_until = max(self._clock(), self._paid_until[slot])
        self._paid_until[slot] = paid_until + failures * self._cost

    def refund(self, name: str, failures: int = 1) -> None:
        """Take back the charge for `failures`, which turned out to be none."""
        self._paid_until[self._slot_of(name) % SLOTS] -= failures * self._cost


def source_of(address: str) -> str:
    """The source of an address: itself, or for IPv6 its /64, since a client has a whole one."""
    if ":" not in address:
        return address
    if address.startswith("::ffff:"):
        return address.removeprefix("::ffff:")
    return str(ipaddress.ip_network((address.partition("%")[0], 64), strict=False))


BURST: Final = 20


class GuessLimiter:
    """The budgets of guesses: credentials without a seal, which anyone can make up."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, cells: Cells | None = None
    ) -> None:
        """`clock` returns monotonic seconds."""
        times, slot_of = cells or own_cells()
        self._sources = Budget(BURST, 1.0, clock, times[0], slot_of)
        self._keys = Budget(BURST, 1.0, clock, times[1], slot_of)
        self._second_chances = Budget(1, 1.0, clock, times[2], slot_of)

    def admit(self, address: str, access_key: str) -> int:
        """Charge a guess. Returns what its source was charged, in failures; 0: it may not be
        verified.

        Where others have spent the budget of a key, there is one second chance each second for a
        source without failures. It costs that source its whole budget, so that no source takes one
        second chance after the other.
        """
        source = source_of(address)
        if self._refuses(source, access_key):
            return 0
        cost = 1
        if self._keys.is_spent(access_key):
            self._second_chances.charge(access_key)
            cost = BURST
        else:
            self._keys.charge(access_key)
        self._sources.charge(source, cost)
        return cost

    def refuses(self, address: str, access_key: str) -> bool:
        """Whether a guess would not be admitted now."""
        return self._refuses(source_of(address), access_key)

    def _refuses(self, source: str, access_key: str) -> bool:
        if self._sources.is_spent(source):
            return True
        return self._keys.is_spent(access_key) and (
            self._second_chances.is_spent(access_key) or not self._sources.is_untouched(source)
        )

    def forgive(self, address: str, access_key: str, cost: int) -> None:
        """Take back the charge (`cost`) for a guess that was right, or could not be verified."""
        self._sources.refund(source_of(address), cost)
        if cost == 1:
            self._keys.refund(access_key)
