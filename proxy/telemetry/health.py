"""What does not work now: logged once when it begins and once when it is over, and counted.

The rule that lives here: a failure that lasts fills no log, and its end is logged too.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from typing import TypeAlias

Report: TypeAlias = Callable[[str | None], None]
"""Called with the cause of each failure, and with None when it has worked."""

log = logging.getLogger("wardgate")


def say_nothing(_cause: str | None) -> None:
    """The `Report` of what nobody watches."""


class Health:
    """What fails at one node. All methods are called in its event loop."""

    def __init__(self) -> None:
        self.failures: Counter[str] = Counter()
        """How often something has failed so far, by its kind."""
        self._current: dict[str, str] = {}

    @property
    def current(self) -> list[str]:
        """One line for each failure that lasts."""
        return list(self._current.values())

    def forget(self, subject: str) -> None:
        """Drop the failure of a subject that is not watched any more, and say nothing."""
        self._current.pop(subject, None)

    def watch(
        self, kind: str, subject: str, fails: str, works: str, *, says: bool = True
    ) -> Report:
        """Returns the function to call for each failure and each success of `subject`.

        `kind` is a label of the metrics. `fails`, with `%s` for the cause, and `works` complete the
        sentences that begin with `subject`. Without `says`, another process logs them.
        """
        self.failures[kind] += 0

        def report(cause: str | None) -> None:
            if cause is None:
                if self._current.pop(subject, None) is not None and says:
                    log.warning("%s %s", subject, works)
                return
            self.failures[kind] += 1
            line = f"{subject} {fails % cause}"
            if subject not in self._current and says:
                log.warning("%s", line)
            self._current[subject] = line

        return report
