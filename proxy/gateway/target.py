"""One of several targets of an upstream: its pool, and what is known of its health.

Tested in `tests/proxy/gateway/test_balancer.py` and
`tests/proxy/gateway/test_balancer_health.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from math import inf
from typing import Final, NamedTuple, Protocol

from proxy.gateway.pool import Pool
from proxy.targets.circuit import Circuit, CircuitRules, State
from proxy.targets.retries import RetryRules
from proxy.targets.slow_start import part_of_weight
from proxy.targets.thresholds import Checked, Thresholds
from proxy.telemetry.health import Report, say_nothing


class CheckRules(NamedTuple):
    """How targets are checked. Times in seconds."""

    path: bytes
    host: bytes | None
    interval: float
    timeout: float
    thresholds: Thresholds
    statuses: frozenset[int]
    """Those of a target that is well."""


class Rules(NamedTuple):
    """How requests are spread over the targets of an upstream. Times in seconds."""

    policy: str
    """One of `choice.POLICIES`."""
    slow_start: float
    retries: RetryRules
    ejection: CircuitRules | None
    checks: CheckRules | None
    breaker: CircuitRules | None


NO_RULES: Final = Rules("", 0, RetryRules(0, frozenset(), 0, 0), None, None, None)
"""Of an upstream that has one URL."""


class Owner(Protocol):
    """The upstream of a target."""

    def failed(self, target: Target, cause: str) -> None:
        """A request to it failed."""

    def worked(self, target: Target) -> None:
        """A response came from it, for the first time since a failure."""


class Target:
    """One server. Implements `choice.Candidate` and `pool.Watcher`."""

    __slots__ = (
        "__weakref__",
        "_before",
        "_clock",
        "back_at",
        "checked",
        "circuit",
        "name",
        "owner",
        "pool",
        "priority",
        "report",
        "share",
        "weight",
    )

    def __init__(
        self,
        name: str,
        pool: Pool,
        rules: Rules,
        *,
        weight: int = 1,
        priority: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`name` is its URL, configured or looked up. `clock` returns monotonic seconds."""
        now = clock()
        self.name = name
        self.pool = pool
        self.weight = weight
        self.priority = priority
        self.share = float(weight)
        """The weight that counts now."""
        self.circuit = None if rules.ejection is None else Circuit(rules.ejection, now)
        self.checked = None if rules.checks is None else Checked(rules.checks.thresholds, now)
        self.back_at = -inf
        """When it last came back, or was added."""
        self.report: Report = say_nothing
        """Called when it is taken out of use, with the cause; and with None when it is back."""
        self.owner: Owner | None = None
        self._clock = clock
        self._before = 0
        """How much of its load began before its trial."""

    @property
    def load(self) -> int:
        """How many requests and tunnels it has."""
        return self.pool.load

    @property
    def is_up(self) -> bool:
        """Whether it is well, by what checks say."""
        return self.checked is None or self.checked.up

    @property
    def is_available(self) -> bool:
        """Whether requests may be sent to it."""
        return self.is_up and (self.circuit is None or self.circuit.state is State.CLOSED)

    @property
    def on_trial(self) -> bool:
        """Whether it was ejected, and gets one request at a time until one works."""
        return self.is_up and self.circuit is not None and self.circuit.state is State.HALF_OPEN

    def begin_trial(self) -> None:
        """From now on, one request at a time is tried. What is in progress may last for days, as
        tunnels do, and says nothing of how it does now."""
        self._before = self.load

    @property
    def is_tried(self) -> bool:
        """Whether a request that began since then is in progress, as far as its load shows."""
        self._before = min(self._before, self.load)
        return self.load > self._before

    def weigh(self, now: float, slow_start: float) -> bool:
        """Work out its weight. Returns whether it is still starting."""
        part = part_of_weight(now - self.back_at, slow_start)
        self.share = self.weight * part
        return part < 1

    def adopt(self, old: Target) -> None:
        """Go on as `old`, which is the same server under an earlier configuration."""
        old.pool.renew(self.pool.origin, self.pool.dial)
        old.pool.bad_statuses = self.pool.bad_statuses
        self.pool, self.back_at, self._before = old.pool, old.back_at, old._before
        if self.circuit is not None and old.circuit is not None:
            old.circuit.rules = self.circuit.rules
            self.circuit = old.circuit
        if self.checked is not None and old.checked is not None:
            old.checked.thresholds = self.checked.thresholds
            self.checked = old.checked

    def renew(self, new: Target) -> None:
        """Go on with the settings of `new`, which is the same server in a later answer."""
        self.weight, self.priority = new.weight, new.priority
        self.pool.renew(new.pool.origin, new.pool.dial)

    # --- called by the pool ---

    def failed(self, cause: str) -> None:
        """A request failed."""
        if self.owner is not None:
            self.owner.failed(self, cause)

    def worked(self) -> None:
        """A response came, for the first time since a failure."""
        if self.owner is not None:
            self.owner.worked(self)

    # --- what is shown of it ---

    @property
    def state(self) -> str:
        """`up`, `starting`, `down` (by checks), `ejected`, or `trial`."""
        if not self.is_up:
            return "down"
        if self.circuit is not None and self.circuit.state is State.OPEN:
            return "ejected"
        if self.on_trial:
            return "trial"
        return "starting" if self.share < self.weight else "up"

    @property
    def why(self) -> str:
        """Why it is in that state; nothing where that needs no reason."""
        if self.checked is not None and not self.checked.up:
            return self.checked.cause
        return self.circuit.cause if self.circuit is not None and not self.is_available else ""

    @property
    def since(self) -> float:
        """Since when, in monotonic seconds."""
        if self.checked is not None and not self.checked.up:
            return self.checked.since
        times = [each.since for each in (self.checked, self.circuit) if each is not None]
        return max(times, default=self._clock())
