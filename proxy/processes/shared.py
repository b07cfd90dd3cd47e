"""Memory that all processes of one `wardgate serve` share.

The rule that lives here: each cell has one writer, where nothing else is said, and is written as a
whole, so no reader needs a lock. Cells are 8 bytes at a multiple of 8, which the machine reads and
writes at once.

Tested in `tests/proxy/processes/test_shared.py`.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import MutableSequence
from contextlib import suppress
from typing import Final, cast

LAYOUT: Final = 2
"""The number of this arrangement of cells, and of what keeper and workers tell each other: it
changes with them, so that programs of two versions never take one for the other."""
ANNOUNCED: Final = 0
FRESH_UNTIL: Final = 1
KEEPER: Final = 2
ALIVE: Final = 3
FIRST_SLOT: Final = 8
"""The first of the cells of the workers, one for each slot."""

BUDGETS: Final = 3
NAMES: Final = 65_536
"""Cells of each budget, and of each row of counts."""
ROWS: Final = 2
GENERATIONS: Final = 4
"""That may be alive at the same time, of which each has cells of its own."""


class SharedState:
    """The cells, in an anonymous file that processes inherit by its handle."""

    def __init__(self, fd: int, slots: int) -> None:
        """The cells of `slots` workers in an open file, as `create` has made it."""
        self.fd = fd
        self.slots = slots
        self._budgets = 8 * (FIRST_SLOT + slots)
        self._writers = slots * GENERATIONS
        self._memory = mmap.mmap(fd, _size(slots))
        self.numbers = memoryview(self._memory).cast("q")
        self.times = memoryview(self._memory).cast("d")
        """The same memory as numbers and as times, for who reads a cell at each request."""
        counts = self._budgets + 8 * NAMES * BUDGETS
        self._all_counts = memoryview(self._memory)[counts:].cast("H")
        """The counts of one cell lie next to each other, as they are read together."""

    @classmethod
    def create(cls, slots: int) -> SharedState:
        """New cells, all of them 0."""
        fd = os.memfd_create("wardgate", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(fd, _size(slots))
        # Who could make it shorter would end every process that reads what is gone.
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
        return cls(fd, slots)

    @property
    def announced(self) -> int:
        """The number of the last message to workers that they have to apply before they permit
        anything. The keeper writes it, before it sends the message."""
        return self.numbers[ANNOUNCED]

    @announced.setter
    def announced(self, number: int) -> None:
        self.numbers[ANNOUNCED] = number

    @property
    def fresh_until(self) -> float:
        """Until when what the keeper has told may be gone by, in seconds of
        `domain.lease.boottime`. The keeper writes it."""
        return self.times[FRESH_UNTIL]

    @fresh_until.setter
    def fresh_until(self, until: float) -> None:
        self.times[FRESH_UNTIL] = until

    @property
    def keeper_beat(self) -> float:
        """When the keeper's event loop last ran, in seconds of `domain.lease.boottime`."""
        return self.times[KEEPER]

    @keeper_beat.setter
    def keeper_beat(self, now: float) -> None:
        self.times[KEEPER] = now

    @property
    def alive(self) -> int:
        """How many workers there may be. The master writes it: before it starts one, and after one
        has ended."""
        return self.numbers[ALIVE]

    @alive.setter
    def alive(self, count: int) -> None:
        self.numbers[ALIVE] = count

    def beat(self, slot: int) -> float:
        """When the event loop of the worker in a slot last ran, in the same seconds."""
        return self.times[FIRST_SLOT + slot]

    def set_beat(self, slot: int, now: float) -> None:
        """Tell that the event loop of the worker in a slot runs."""
        self.times[FIRST_SLOT + slot] = now

    def budget(self, number: int) -> MutableSequence[float]:
        """Times for `NAMES` cells, of one of `BUDGETS` budgets. Several workers write them, and one
        of two changes at the same moment may be lost."""
        start = self._budgets + 8 * NAMES * number
        times = memoryview(self._memory)[start : start + 8 * NAMES].cast("d")
        return cast("MutableSequence[float]", times)

    def counts(self, slot: int, generation: int) -> MutableSequence[int]:
        """`ROWS` rows of `NAMES` counts below 65,536, which the worker in this slot, of this
        generation of the program, writes alone."""
        own = slot * GENERATIONS + generation % GENERATIONS
        return cast("MutableSequence[int]", self._all_counts[own :: self._writers])

    def forget_counts(self, slot: int, generation: int) -> None:
        """A worker has ended, with all that it has counted."""
        counts = self.counts(slot, generation)
        for cell, count in enumerate(counts):
            if count:
                counts[cell] = 0

    def count(self, cell: int) -> int:
        """The sum of a cell of the counts of all slots and generations."""
        return sum(self._all_counts[cell * self._writers : (cell + 1) * self._writers])

    def close(self) -> None:
        """Let go of the memory in this process, which goes with the last part in use."""
        self.numbers.release()
        self.times.release()
        self._all_counts.release()
        with suppress(BufferError):
            self._memory.close()
        os.close(self.fd)


def _size(slots: int) -> int:
    """Pages that nobody writes take no memory."""
    budgets, counts = 8 * NAMES * BUDGETS, 2 * NAMES * ROWS * GENERATIONS * slots
    return 8 * (FIRST_SLOT + slots) + budgets + counts
