"""Refuses the request that a connection has sent before, with other credentials that are no better.

Whoever guesses keeps a connection and sends one head after the other that differs in Authorization.
The rule that lives here: each request is decided by the decider, as any other is. Only what follows
from a refusal is used again: the response, the counters, and the line in the log. What is not
refused for its credentials alone becomes an exchange.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from copy import copy
from time import monotonic
from typing import TYPE_CHECKING, Final

from proxy.auth.access_request import AccessRequest
from proxy.domain.errors import Busy
from proxy.domain.histogram import BOUNDS, Histogram
from proxy.domain.model import Deny
from proxy.domain.reasons import BaseReason
from proxy.gateway.course import Refused
from proxy.gateway.failures import Failure
from proxy.gateway.interfaces import Client, Shared
from proxy.http1.template import BLANK
from proxy.telemetry.accesslog import refusal_form
from proxy.telemetry.usage import Counter

if TYPE_CHECKING:
    from proxy.gateway.head_reader import HeadReader

_BUSY: Final = Failure.BUSY


class RepeatedRefusal:
    """One connection's repeated refusal."""

    __slots__ = (
        "_access",
        "_client",
        "_counter",
        "_course",
        "_decider",
        "_fields",
        "_keeps",
        "_latency",
        "_line",
        "_message",
        "_moment",
        "_most",
        "_reader",
        "_reason",
        "_request_line",
        "_runtime",
        "_shared",
    )

    def __init__(self, shared: Shared, client: Client, reader: HeadReader, course: Refused) -> None:
        """`reader` remembers the head of the exchange that took this `course`."""
        self._shared = shared
        self._client = client
        self._reader = reader
        self._course = course
        self._runtime, self._decider = course.runtime, course.runtime.decider
        head = course.memo.head
        self._request_line, self._fields = head.line + b"\r\n", head.fields
        self._most = course.runtime.limits.unmeasured
        self._access: AccessRequest | None = None
        """The input of the decision, with the credentials of the last request."""
        # What follows from this `_reason`, at this `_moment` of `Shared`:
        self._reason: BaseReason | None = None
        self._moment: object = None
        self._keeps = False
        """Whether the connection is kept after the response."""
        self._message: list[bytes] = []
        """The response, as the pieces between which the id of the request stands."""
        self._line = b""
        """The format of the line in the log."""
        self._counter = Counter()
        self._latency = Histogram()

    def answers(self, data: bytes) -> bool:
        """Refuse the head `data`, if it says the same as the last one but for its credentials, and
        these are refused. Returns whether it is refused: otherwise nothing is sent or counted."""
        shared, decider = self._shared, self._decider
        if data == self._reader.raw:
            credentials = self._fields.authorization
        else:
            line, presented = self._request_line, None
            if len(data) <= self._most and data.startswith(line):
                presented = self._fields.presenting(data, len(line))
            if presented is None:
                return False
            credentials = presented
        if (
            shared.runtime is not self._runtime
            or shared.draining
            or decider.version != self._course.version  # it may not need credentials any more
        ):
            return False
        started = monotonic()
        access = self._access
        if access is None:
            access = self._access = copy(self._course.memo.access)
            access.last = None  # that had other credentials
        access.authorization, access.credentials = credentials, None
        try:
            verdict = decider.decide(access)
        except Busy:
            return self._refuse(_BUSY, (), started)
        denied = None if verdict is None else verdict.permit
        if verdict is None or not isinstance(denied, Deny) or denied.key is not None:
            return False
        return self._refuse(denied.reason, verdict.allow, started)

    def _refuse(self, reason: BaseReason, allow: Sequence[str], started: float) -> bool:
        """Refuse the request that began at this time. Returns whether it is refused."""
        shared, counter = self._shared, self._counter
        if (
            reason is not self._reason
            or shared.moment is not self._moment
            or counter.until <= shared.wall
        ):
            self._prepare(reason, allow)
            counter = self._counter
        if not self._keeps:
            return False
        request_id, latency, telemetry = shared.new_request_id(), self._latency, shared.telemetry
        self._client.transport.write(request_id.join(self._message))
        seconds = monotonic() - started
        counter.requests += 1
        counter.seconds += seconds
        latency.counts[bisect_left(BOUNDS, seconds)] += 1  # `Telemetry.record`, without the call
        latency.sum += seconds
        telemetry.by_reason[reason.code] += 1
        telemetry.log.refused(self._line, request_id, seconds, reason)
        self._client.exchange_done(keep=True)
        return True

    def _prepare(self, reason: BaseReason, allow: Sequence[str]) -> None:
        """Work out what an exchange would for a request that is refused for this reason. `allow`
        are the methods that a 405 names."""
        shared, memo, course = self._shared, self._course.memo, self._course
        self._reason, self._moment = reason, shared.moment
        mark = BLANK * len(course.response.request_id)
        writer = course.response.again(mark)
        routed = course.runtime.decider.routed(memo.access)
        self._message = writer.refusal(reason.status, True, routed, allow).split(mark)
        self._keeps = writer.keep
        self._line = refusal_form(memo.requested, reason, memo.agent)
        route, method = "" if routed.route is None else routed.route.path, memo.access.method
        self._counter = shared.usage.counter(
            shared.wall, reason.status, reason, route=route, method=method
        )
        self._latency = shared.telemetry.latency(reason.status, route)
