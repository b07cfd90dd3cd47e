"""Memory that all processes of one `wardgate serve` share.

The rule that lives here: each cell has one writer, and is written as a whole, so no reader needs a
lock. Cells are 8 bytes at a multiple of 8, which the machine reads and writes at once.

Tested in `tests/proxy/processes/test_shared.py`.
"""

from __future__ import annotations

import mmap
import os
from typing import Final

ANNOUNCED: Final = 0
FRESH_UNTIL: Final = 1
KEEPER: Final = 2
FIRST_SLOT: Final = 8
"""The first of the cells of the workers, one for each slot."""


class SharedState:
    """The cells, in an anonymous file that processes inherit by its handle."""

    def __init__(self, fd: int, slots: int) -> None:
        """The cells of `slots` workers in an open file, as `create` has made it."""
        self.fd = fd
        self.slots = slots
        self._memory = mmap.mmap(fd, _size(slots))
        self._numbers = memoryview(self._memory).cast("q")
        self._times = memoryview(self._memory).cast("d")

    @classmethod
    def create(cls, slots: int) -> SharedState:
        """New cells, all of them 0."""
        fd = os.memfd_create("wardgate", os.MFD_CLOEXEC)
        os.ftruncate(fd, _size(slots))
        return cls(fd, slots)

    @property
    def announced(self) -> int:
        """The number of the last message to workers that they have to apply before they permit
        anything. The keeper writes it, before it sends the message."""
        return self._numbers[ANNOUNCED]

    @announced.setter
    def announced(self, number: int) -> None:
        self._numbers[ANNOUNCED] = number

    @property
    def fresh_until(self) -> float:
        """Until when what the keeper has told may be gone by, in seconds of
        `domain.lease.boottime`. The keeper writes it."""
        return self._times[FRESH_UNTIL]

    @fresh_until.setter
    def fresh_until(self, until: float) -> None:
        self._times[FRESH_UNTIL] = until

    @property
    def keeper_beat(self) -> float:
        """When the keeper's event loop last ran, in seconds of `domain.lease.boottime`."""
        return self._times[KEEPER]

    @keeper_beat.setter
    def keeper_beat(self, now: float) -> None:
        self._times[KEEPER] = now

    def beat(self, slot: int) -> float:
        """When the event loop of the worker in a slot last ran, in the same seconds."""
        return self._times[FIRST_SLOT + slot]

    def set_beat(self, slot: int, now: float) -> None:
        """Tell that the event loop of the worker in a slot runs."""
        self._times[FIRST_SLOT + slot] = now

    def close(self) -> None:
        """Let go of the memory in this process."""
        self._numbers.release()
        self._times.release()
        self._memory.close()
        os.close(self.fd)


def _size(slots: int) -> int:
    return 8 * (FIRST_SLOT + slots)
