"""How far an exchange has come: what it waits for, how long it may, and what is still to be sent.

Tested in `tests/proxy/gateway/test_deadlines.py`, `tests/proxy/gateway/test_revocation.py` and
`tests/proxy/gateway/test_lingering.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from proxy.domain.model import Deny
from proxy.domain.reasons import BaseReason
from proxy.domain.routes import Route
from proxy.gateway.balancer import Balancer
from proxy.gateway.deadlines import DEADLINES, Phase, of_route, waiting_for
from proxy.gateway.failures import OF_TARGETS, Failure
from proxy.gateway.interfaces import Client, Shared
from proxy.gateway.lingering import MAX_REST
from proxy.gateway.memo import Memo
from proxy.gateway.pool import Pool
from proxy.gateway.response import ResponseWriter
from proxy.gateway.revocation import RevocationWatch
from proxy.gateway.runtime import Runtime
from proxy.gateway.upstream import UpstreamConnection
from proxy.http1.body import NO_BODY, RequestBody


class Progress(ABC):
    """The part of an `Exchange` that a tick looks at. Made by its subclass alone."""

    request_sent: bool
    """Whether all of the request was sent to the upstream."""
    moved_at: float
    """When either side last made progress, as of a tick."""
    _shared: Shared
    _client: Client
    _memo: Memo
    _runtime: Runtime
    _response: ResponseWriter

    # Defaults in the class cost nothing for a request.
    phase = Phase.DECIDING
    _route: Route | None = None
    """Of the permit."""
    _source: Pool | Balancer | None = None
    """The upstream."""
    _pool: Pool | Balancer | None = None
    """The pool of the connection, once there is one."""
    tried: tuple[Pool, ...] = ()
    """The pools of the targets that have failed the request so far."""
    _upstream: UpstreamConnection | None = None
    _body: RequestBody = NO_BODY
    _watch: RevocationWatch | None = None
    """Made at the first tick: most requests end before."""
    _client_stalled = False
    """Whether the client does not read the response."""
    _upstream_stalled = False
    """Whether the upstream does not read the request: then it is not the client that is slow."""

    @abstractmethod
    def fail(self, reason: BaseReason, *, status: int | None = None) -> None:
        """End the exchange, for this reason."""

    # --- the body ---

    @property
    def left(self) -> int | None:
        """How many bytes of the body are still to come; None where that is unknown."""
        if self.request_sent:
            return 0
        length = self._memo.head.fields.length
        return None if length is None else length - self._body.received

    @property
    def _body_ends(self) -> bool:
        """Whether the body is at its end, or so near that its rest is worth reading; of one in
        chunks that is hoped for. A client that waits for 100 (Continue) may send the body or not
        (RFC 9110 section 10.1.1): what it sends next could be either. Go net/http closes too."""
        if self.request_sent:
            return True
        left = self.left
        return not self._response.withholds_continue and (left is None or left <= MAX_REST)

    # --- for the choice of a target ---

    @property
    def method(self) -> bytes:
        """The method of the request."""
        return self._memo.head.request.method

    @property
    def whole(self) -> bool:
        """Whether all that was sent is still there: there was no body."""
        return not self._memo.head.has_body

    # --- whom it waits for ---

    def upstream_blocked(self, blocked: bool) -> None:
        """Read the body no faster than the upstream does."""
        self.moved_at = self._shared.now
        self._upstream_stalled = blocked
        if not self.request_sent:
            self._body.restart_clock(self._shared.now)
            self._client.hold(blocked)

    def client_blocked(self, blocked: bool) -> None:
        """Read the response no faster than the client does."""
        self._client_stalled = blocked
        self.moved_at = self._shared.now
        if self._upstream is not None:
            self._upstream.hold(blocked)

    def tick(self, now: float) -> None:
        """End what takes too long, or is no longer permitted. Called about once a second."""
        pool = self._pool
        if self.phase is Phase.DONE or pool is None:
            return  # the decision has deadlines of its own
        self._right().tick(self._shared.wall)
        stalled = self._client_stalled and self._upstream is not None
        phase = waiting_for(self.phase, client=stalled, upstream=self._upstream_stalled)
        deadline = DEADLINES.get(phase)
        if deadline is None:
            return  # the revocation watch has ended it
        quiet = now - self.moved_at
        dial = pool.dial if self._route is None else of_route(self._route, pool.dial)
        if quiet >= deadline.seconds(self._shared.runtime.timeouts, dial):
            if self._upstream is not None and deadline.failure in OF_TARGETS:
                self._upstream.fail(deadline.failure)
            else:
                self.fail(deadline.failure)
        elif phase is Phase.UPLOADING or phase is Phase.RESPONDING_EARLY:
            self._tick_body(now, quiet)  # a body may not be slow because its response began early

    def _tick_body(self, now: float, quiet: float) -> None:
        timeouts, body = self._shared.runtime.timeouts, self._body
        if self._response.withholds_continue and quiet >= timeouts.expect:
            self._response.let_continue()
        if quiet >= timeouts.body_idle:
            self.fail(Failure.BODY_IDLE)
        elif body.too_slow(now, timeouts.body_window, timeouts.body_min_rate):
            self.fail(Failure.BODY_SLOW)

    def settle(self, version: int) -> bool:
        """Decide anew. One that is not decided yet will be by the records of then."""
        if self.phase is Phase.DONE or self._pool is None:
            return True
        return self._right().settle(self._shared.wall, version)

    def _right(self) -> RevocationWatch:
        if self._watch is None:
            decider = self._runtime.decider
            self._watch = RevocationWatch(decider, self._memo.access, self._revoked, self._lapsed)
        return self._watch

    def _lapsed(self) -> None:
        """Nobody knows whether it still is permitted."""
        if self.phase is not Phase.DONE and self.phase is not Phase.TUNNEL:
            self.fail(Failure.STORE)

    def _revoked(self, deny: Deny) -> None:
        """The request is no longer permitted. A tunnel has a watch of its own."""
        if self.phase is not Phase.DONE and self.phase is not Phase.TUNNEL:
            self.fail(Failure.REVOKED, status=deny.reason.status)
