"""What is recorded of an exchange when it ends: a line of the log, the metrics and the usage.

Tested in `tests/proxy/gateway/test_response.py` and `tests/proxy/gateway/test_usage.py`.
"""

from __future__ import annotations

from time import monotonic
from typing import Final

from proxy.domain.histogram import Histogram
from proxy.domain.model import Deny, Permit
from proxy.domain.reasons import BaseReason
from proxy.gateway.course import (
    Course,
    Refused,
    changes_at,
    repeats_request,
    repeats_response,
    repeats_verdict,
)
from proxy.gateway.failures import Failure
from proxy.gateway.identity import counted_for
from proxy.gateway.pool import Pool
from proxy.gateway.progress import Progress
from proxy.gateway.traced import told_of
from proxy.telemetry.outcome import Outcome
from proxy.telemetry.tracing import Trace, Tracer
from proxy.telemetry.usage import Counter

# On Python 3.11, reading a member of an enumeration is a call.
_BUSY: Final = Failure.BUSY


class Recorded(Progress):
    """The part of an `Exchange` that records it. Made by its subclass alone."""

    _started: float
    """When the head was complete, in monotonic seconds."""

    # Defaults in the class cost nothing for a request.
    reason: BaseReason | None = None
    """Why the request was refused or failed."""
    _identity: bytes = b""
    """The members that name the key, for the log."""
    _permit: Permit | Deny | None = None
    """The decision; None where there was none."""
    _trace: Trace | None = None
    """Where traces are configured, and it has begun."""
    _decided: float | None = None
    """When the decision was made, in monotonic seconds, where traces are configured."""
    _retried = False
    """Whether the request was sent a second time."""

    @property
    def affinity(self) -> bytes:
        """Whose request it is: that of a key, or else of a client's address."""
        permit = self._permit
        principal = permit.principal if isinstance(permit, Permit) else None
        if principal is not None:
            return principal.key.access_key.encode()
        return self._memo.access.address.encode()

    @property
    def course(self) -> Course | Refused | None:
        """What the next exchange with the same head can go by, once this one has ended; None where
        it takes a course of its own."""
        memo, response, pool = self._memo, self._response, self._pool
        verdict, runtime = memo.verdict, self._runtime
        if self._shared.tracer is not None or not repeats_request(memo):
            return None
        if self.reason is not None:
            return self._refused()
        if (
            verdict is None
            or not isinstance(self._permit, Permit)
            or not isinstance(pool, Pool)
            or pool is not self._source
            or not repeats_verdict(verdict)
            or not repeats_response(response)
        ):
            return None
        until = changes_at(verdict, response, runtime.expiry_notice)
        return Course(memo, runtime, verdict, pool, self._identity, response, until)

    def _refused(self) -> Refused | None:
        """The course of an exchange that was refused, if by what nobody's key has to do with."""
        permit, response, runtime = self._permit, self._response, self._runtime
        denied = isinstance(permit, Deny) and permit.key is None and self.reason is permit.reason
        busy = permit is None and self.reason is _BUSY
        if not (denied or busy) or not response.keep:
            return None
        return Refused(self._memo, runtime, runtime.decider.version, response)

    def _note(self, reason: BaseReason) -> None:
        """Note that a limit that is not enforced would refuse the request."""
        self._identity += b',"would_refuse":"%b"' % reason.code.encode()
        self._shared.telemetry.by_would_refuse[reason.code] += 1

    def _record(self, received: int) -> None:
        """Record the outcome. What refers back to the exchange is let go of with it."""
        self._watch = None
        response, memo, shared, started = self._response, self._memo, self._shared, self._started
        began, seconds = response.began_at, monotonic() - started
        counter, latency = memo.counter, memo.latency
        if (
            counter is None
            or latency is None
            or self.reason is not None
            or counter.status != response.status // 100
            or counter.until <= shared.wall
        ):
            counter, latency = self._find_counters()
        counter.requests += 1
        counter.received += received
        counter.sent += response.sent
        counter.seconds += seconds
        if shared.tracer is not None:
            self._end_trace(shared.tracer)
        shared.telemetry.record(
            Outcome(
                response.request_id,
                memo.requested,
                response.status,
                received,
                response.sent,
                seconds,
                self._identity,
                memo.agent,
                None if began is None else began - started,
                self._retried,
                self.reason,
            ),
            latency,
        )

    @property
    def _upstream_name(self) -> str:
        """The upstream of the request; empty where it was refused."""
        verdict = self._memo.verdict
        if verdict is None or verdict.route is None or not isinstance(self._permit, Permit):
            return ""
        return verdict.upstream or verdict.route.upstream

    def _begin_trace(self, tracer: Tracer) -> Trace:
        if self._trace is None:
            fields, peer = self._memo.head.fields.trace, self._client.peer
            self._trace = tracer.begin(self._started, fields, trusted=peer.trusted)
        return self._trace

    def _trace_to(self, tracer: Tracer) -> bytes:
        """The field lines by which the upstream, to which the request goes now, knows its trace."""
        return self._begin_trace(tracer).to_upstream(self._upstream_name)

    def _end_trace(self, tracer: Tracer) -> None:
        trace, memo = self._begin_trace(tracer), self._memo
        self._identity += b',"trace":"%b"' % trace.trace_id.encode()
        if trace.sampled:
            name, told = told_of(memo.access, self._permit, self._response.status, self.reason)
            trace.end(name, told, self._decided)

    def _find_counters(self) -> tuple[Counter, Histogram]:
        """The counters of the usage and of the metrics for a request that ended as this one did.
        The memo keeps them where the request was served, since the next one is likely to be."""
        memo, shared, permit = self._memo, self._shared, self._permit
        routed = memo.access.routed
        route = None if routed is None else routed.route
        path = "" if route is None else route.path
        status = self._response.status
        key_id, environment_id = (0, 0) if permit is None else counted_for(permit)
        counter = shared.usage.counter(
            shared.wall,
            status,
            self.reason,
            key_id=key_id,
            environment_id=environment_id,
            route=path,
            method=memo.access.method,
        )
        latency = shared.telemetry.latency(status, path, self._upstream_name)
        if self.reason is None:
            memo.counter, memo.latency = counter, latency
        return counter, latency
