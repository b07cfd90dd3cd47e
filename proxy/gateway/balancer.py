"""An upstream of several targets: sends each request to one of them, and a failed one to another.

The rule that lives here: what takes targets out of use (checks, ejection) never leaves none. No
more than half of them are ejected, and where checks say that none is well, all are tried, as with
Envoy's panic threshold: then it may be the check that is wrong.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence

from proxy.gateway.dialer import Dial
from proxy.gateway.discovery import Discovery
from proxy.gateway.failures import Failure, UpstreamFailure
from proxy.gateway.health_checks import Checking
from proxy.gateway.pool import Pool
from proxy.gateway.target import NO_RULES, Rules, Target
from proxy.gateway.upstream_interfaces import ResponseHandler
from proxy.targets.choice import POLICIES, Policy
from proxy.targets.circuit import Circuit, State
from proxy.targets.retries import Attempt, RetryBudget, is_safe
from proxy.telemetry.health import Report, say_nothing


class Balancer:
    """The targets of one upstream. Used by exchanges as a `Pool` is. Implements `target.Owner`."""

    def __init__(
        self,
        targets: Sequence[Target],
        rules: Rules,
        clock: Callable[[], float] = time.monotonic,
        discovery: Discovery | None = None,
    ) -> None:
        """`clock` returns monotonic seconds. `discovery` finds the targets from now on."""
        self.targets: Sequence[Target] = ()
        self.rules = rules
        self.budget = RetryBudget(rules.retries)
        self.breaker = None if rules.breaker is None else Circuit(rules.breaker, clock())
        self.report: Report = say_nothing
        """Called when the breaker opens, with the cause; and with None when it closes."""
        self.retries = 0
        """How many requests were sent to another target so far."""
        self.discovery = discovery
        self.changed: Callable[[], None] = lambda: None
        """Called when other targets were found than before."""
        self._clock = clock
        self._policy: Policy[Target] = POLICIES[rules.policy]()
        self._usable: Sequence[Target] = ()
        self._trials: Sequence[Target] = ()
        self._starting = False
        self._waiting: deque[ResponseHandler] = deque()
        self._checking = Checking(self.checked)
        self._probing: dict[Target, asyncio.Task[None]] = {}
        if discovery is not None:
            discovery.use = self.become
        self._own(targets)

    @property
    def dial(self) -> Dial:
        """The timeouts, which all targets have in common."""
        return self.targets[0].pool.dial

    @property
    def has_room_for_a_tunnel(self) -> bool:
        """Whether another tunnel may open."""
        return any(each.pool.has_room_for_a_tunnel for each in self._usable)

    @property
    def waiting(self) -> int:
        """How many requests wait for a connection."""
        return len(self._waiting)

    # --- requests ---

    def acquire(self, handler: ResponseHandler, *, fresh: bool = False) -> None:
        """Give `handler` a connection to some target, now or later; or call its `upstream_lost` on
        a failure. `fresh`: not one that is idle now."""
        if not handler.tried:
            if self.breaker is not None and not self._lets_through(self.breaker):
                handler.upstream_lost(UpstreamFailure(Failure.UPSTREAM_BREAKER))
                return
            self.budget.requests += 1
            target = self._policy.choose(self._key(handler))
            if self._trials or not target.pool.has_room:
                target = self._find(handler, target)
        else:
            target = self._another(handler)
        target.pool.acquire(handler, fresh=fresh)

    def _key(self, handler: ResponseHandler) -> bytes:
        return handler.affinity if self.rules.policy == "hash" else b""

    def _find(self, handler: ResponseHandler, chosen: Target) -> Target:
        """The target for a request: one on trial if the request could be sent again, or else the
        chosen one if it has room, or another one that has."""
        if self._may_be_sent_again(handler):
            for each in self._trials:
                if not each.is_tried:
                    return each
        return chosen if chosen.pool.has_room else self._another(handler)

    def _another(self, handler: ResponseHandler) -> Target:
        """A target that has not failed a request, and that has room, as far as there is one."""
        others = self._others(handler.tried) or self._usable
        policy: Policy[Target] = POLICIES[self.rules.policy]()
        policy.use([each for each in others if each.pool.has_room] or others)
        return policy.choose(self._key(handler))

    def _others(self, tried: Collection[Pool]) -> Sequence[Target]:
        """The targets that have not failed a request: of those in use, or else of any that are
        well."""
        left = [each for each in self._usable if each.pool not in tried]
        return left or [
            each for each in self.targets if each.is_available and each.pool not in tried
        ]

    def give_up(self, handler: ResponseHandler) -> None:
        """Remove `handler` from the queue, if it is there."""
        if handler in self._waiting:
            self._waiting.remove(handler)

    def _serve_waiting(self) -> None:
        """Some target has room, or others are in use than before. A request that has failed on all
        of those that have room waits on for another one, and holds up no other request."""
        passed_over: list[ResponseHandler] = []
        while self._waiting and any(each.pool.has_room for each in self._usable):
            handler = self._waiting.popleft()
            pool = self._another(handler).pool
            pool.acquire(handler) if pool.has_room else passed_over.append(handler)
        self._waiting.extendleft(reversed(passed_over))

    # --- requests that failed ---

    def _may_be_sent_again(self, handler: ResponseHandler) -> bool:
        return handler.whole and handler.method in self.rules.retries.methods

    def repeats(self, handler: ResponseHandler, failure: UpstreamFailure) -> bool:
        """Whether a request that failed so is to be sent to another target."""
        rules, tried = self.rules.retries, handler.tried
        attempt = Attempt(failure.unsent, failure.unheard)
        if not is_safe(attempt, handler.method, rules.methods, whole=handler.whole):
            return False
        if failure.unanswered and not tried:
            return True  # that a kept connection is closed says nothing of the target
        if len(tried) >= rules.attempts or failure.pool is None:
            return False
        if not self._others((*tried, failure.pool)) or not self.budget.take():
            return False
        self.retries += 1
        return True

    # --- how the targets do ---

    def failed(self, target: Target, cause: str) -> None:
        """A request to `target` failed."""
        if self.discovery is not None and not self.discovery.has_answer:
            return  # it stands for those that are not found yet, and says nothing of them
        now, circuit, breaker = self._clock(), target.circuit, self.breaker
        if breaker is not None:
            self._listen()
            if breaker.failed(cause, now):
                self.report(cause)
        if circuit is not None and circuit.failed(cause, now, may_open=self._may_eject):
            self._take_out(target, f"it is ejected for {circuit.until - now:g} s: {cause}")

    def worked(self, target: Target) -> None:
        """A response came from `target`, for the first time since a failure."""
        now = self._clock()
        if self.breaker is not None and self.breaker.worked(now):
            self.report(None)
        if target.circuit is not None and target.circuit.worked(now):
            self._bring_back(target)

    def checked(self, target: Target, failure: str | None) -> None:
        """A check of `target` failed for a reason, or succeeded."""
        checked = target.checked
        if checked is None or not checked.note(failure, self._clock()):
            return
        if checked.up:
            self._bring_back(target)
        else:
            self._take_out(target, f"its checks fail: {failure}")

    @property
    def _may_eject(self) -> bool:
        """Whether another target may be ejected: at most half of them are out of use by that."""
        out = sum(not each.is_available for each in self.targets)
        return 2 * (out + 1) <= len(self.targets)

    def _take_out(self, target: Target, cause: str) -> None:
        target.report(cause)
        self._refresh()
        if target not in self._usable:
            target.pool.doubt()

    def _bring_back(self, target: Target) -> None:
        if target.is_available:
            target.back_at = self._clock()
            target.report(None)
        self._refresh()

    def _listen(self) -> None:
        """Have every pool say when a response comes."""
        for each in self.targets:
            each.pool.failures = max(1, each.pool.failures)

    def _lets_through(self, breaker: Circuit) -> bool:
        """Whether the breaker lets a request through: while it is half-open, one at a time."""
        if breaker.is_due(self._clock()):
            breaker.half_open(self._clock())
            self._listen()
            for each in self.targets:
                each.begin_trial()
        if breaker.state is State.HALF_OPEN:
            return not any(each.is_tried for each in self.targets)
        return breaker.state is State.CLOSED

    def _refresh(self) -> None:
        """Work out which targets are in use: those of the first priority that has one that is
        well. Where none is well at all, those on trial, or else all that checks say nothing
        against, or else all."""
        now, targets = self._clock(), self.targets
        starting = [each.weigh(now, self.rules.slow_start) for each in targets]
        self._starting = any(starting)
        trials = [each for each in targets if each.on_trial]
        well = [each for each in targets if each.is_available]
        usable = well or trials or [each for each in targets if each.is_up] or targets
        first = min(each.priority for each in usable)
        self._usable = [each for each in usable if each.priority == first]
        self._trials = [each for each in trials if well and each.priority <= first]
        self._policy.use(self._usable)
        self._serve_waiting()

    # --- time ---

    def start(self) -> None:
        """Begin to check the targets."""
        self._stop_probing()
        self._checking.begin(self.targets, self.rules.checks)

    def _probe(self, target: Target) -> None:
        task = asyncio.get_running_loop().create_task(self._try_again(target))
        self._probing[target] = task
        task.add_done_callback(lambda _: self._probing.pop(target, None))

    def _stop_probing(self) -> None:
        for task in self._probing.values():
            task.cancel()

    def tick(self) -> None:
        """Try again what was ejected long enough, and look for other targets where it is time to.
        Called about once a second."""
        now = self._clock()
        if self.discovery is not None:
            self.discovery.tick()
        self.budget.tick()
        for each in self.targets:
            circuit = each.circuit
            if circuit is None:
                continue
            if circuit.is_due(now) and each not in self._probing:
                self._probe(each)
            unasked = each.on_trial and not each.is_tried
            if unasked and now - circuit.since >= circuit.rules.time and circuit.worked(now):
                self._bring_back(each)  # no request has come that could be sent again
        if self._starting:
            self._refresh()

    async def _try_again(self, target: Target) -> None:
        """Open a connection to an ejected target first: a request is worth more."""
        cause = await target.pool.probe()
        circuit, now = target.circuit, self._clock()
        if circuit is None:
            return
        circuit.half_open(now)
        target.begin_trial()
        if cause is None:
            target.pool.failures = max(1, target.pool.failures)
        else:
            circuit.failed(cause, now)
        self._refresh()

    # --- configuration ---

    def follow(self, new: Balancer, *, same: bool) -> None:
        """Go on as `new`, which was made of a later configuration. `same`: whether connections to
        targets of the same names serve for it."""
        self._discover_as(new)
        self.take_over(new, {each.name: each for each in self.targets} if same else {})
        kept = {each.pool for each in new.targets}
        for each in self.targets:
            if each.pool not in kept:
                each.pool.leave()
                each.pool.retire()
        if new.rules.policy != self.rules.policy:
            self._policy = POLICIES[new.rules.policy]()
        if self.breaker is None or new.rules.breaker is None:
            self.breaker = new.breaker
        else:
            self.breaker.rules = new.rules.breaker
        self.rules = new.rules
        self.budget.follow(new.rules.retries)
        self._own(new.targets)

    def _discover_as(self, new: Balancer) -> None:
        old, self.discovery = self.discovery, new.discovery
        if old is not None and new.discovery is not None:
            new.discovery.go_on_as(old)
            new._own(new.discovery.targets)
        elif old is not None:
            old.close()
        if self.discovery is not None:
            self.discovery.use = self.become

    def become(self, targets: Sequence[Target]) -> None:
        """Go on with these targets, which were found, under the same rules. One that was there
        before keeps its connections and what is known of it; one that was not starts slowly, unless
        all are new. Those that are gone finish their requests."""
        now, gone = self._clock(), {each.name: each for each in self.targets}
        some_stay = any(each.name in gone for each in targets)
        found = []
        for new in targets:
            each = gone.pop(new.name, None)
            if each is None:
                each = new
                each.back_at = now if some_stay else each.back_at
            else:
                each.renew(new)
            found.append(each)
        for each in gone.values():
            each.report = say_nothing
            each.pool.leave()
            each.pool.retire()
        self._own(found)
        self._checking.follow(found)
        self.changed()

    def take_over(self, new: Balancer, old: Mapping[str, Target]) -> None:
        """Have the targets of `new` go on as those of the same names, by which they are known."""
        now = self._clock()
        for each in new.targets:
            if each.name in old:
                each.adopt(old[each.name])
            else:
                each.back_at = now

    def _own(self, targets: Sequence[Target]) -> None:
        self.targets = targets
        for each in targets:
            each.owner = self
            each.pool.watcher = each
            each.pool.spare = self._serve_waiting
            each.pool.share_queue(self._waiting)
        if self.breaker is not None and self.breaker.failures:
            self._listen()  # a new target's success counts too
        self._refresh()

    def adopt(self, url: str, pool: Pool) -> None:
        """Go on with the pool of an upstream that had one URL so far, if it is one of the
        targets."""
        self.take_over(self, {url: Target(url, pool, NO_RULES)})
        self._own(self.targets)

    def dissolve(self, url: str | None) -> Pool | None:
        """End: the upstream has but one URL from now on. Returns the pool of that, if there is one,
        with the requests that wait. Otherwise they are still served by the targets."""
        self.stop()
        self.report = say_nothing
        left = next((each.pool for each in self.targets if each.name == url), None)
        for each in self.targets:
            each.report = say_nothing
            if left is not None:
                each.pool.leave(queue=each.pool is not left)
            if each.pool is not left:
                each.pool.retire()
        return left

    def stop(self) -> None:
        """Stop checking, and looking for targets."""
        self._stop_probing()
        self._checking.stop()
        if self.discovery is not None:
            self.discovery.close()
