"""Up to which change a process has *settled*: it has applied the change, and looked anew at every
request that was under way then. So no request goes on that was permitted by older records.

Tested in `tests/proxy/cluster/test_settling.py`, and with a gateway in
`tests/proxy/gateway/test_settling.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from proxy.store.protocols import Changes


class Settles(Protocol):
    """What runs requests: one process, or several of which the least counts."""

    def settle(self, revision: int) -> int:
        """Look at all requests that are under way, by what is applied up to `revision`. Returns the
        revision up to which they have been looked at: where that is less, some could not be decided
        at once, and are looked at again by the next call."""
        ...


class Settling:
    """Implements `Settles` for the requests of one process."""

    def __init__(self, look: Callable[[int], bool], version: Callable[[], int]) -> None:
        """`look` decides anew on all requests, and returns whether none is left that was decided by
        records from before a version. `version` returns that of the records now."""
        self._look = look
        self._version = version
        self._begun: tuple[int, int] | None = None
        """The revision and the version of which requests were looked at last."""
        self._settled = 0

    def settle(self, revision: int) -> int:
        """Look at all requests, unless nothing has changed since they were looked at."""
        now = revision, self._version()
        if self._begun is not None and self._settled != self._begun[0]:
            self._look_again(*self._begun)  # first what was begun: changes may come without end
        if self._begun != now and (self._begun is None or self._settled == self._begun[0]):
            self._begun = now
            self._look_again(*now)
        return self._settled

    def _look_again(self, revision: int, version: int) -> None:
        if self._look(version):
            self._settled = revision

    def listen(self, changes: Changes | None) -> None:
        """To be called at each commit: after None, history may be another one."""
        if changes is None:
            self._begun, self._settled = None, 0
