"""An exchange that goes on with a request which a `Repeat` has sent.

Tested in `tests/proxy/gateway/test_repeat.py`.
"""

from __future__ import annotations

from proxy.gateway.course import Course
from proxy.gateway.deadlines import Phase
from proxy.gateway.exchange import Exchange
from proxy.gateway.interfaces import Client, Shared
from proxy.gateway.memo import Memo
from proxy.gateway.upstream import UpstreamConnection
from proxy.http1.body import RequestBody


class Resumed(Exchange):
    """What it knows is what the exchange before has worked out, which took this `course`."""

    def __init__(
        self, shared: Shared, client: Client, memo: Memo, course: Course, request_id: bytes
    ) -> None:
        super().__init__(shared, client, memo)
        verdict = course.verdict
        self._runtime, self._response = course.runtime, course.response.again(request_id)
        self._permit, self._route, self._identity = verdict.permit, verdict.route, course.identity
        self._source = self._pool = course.pool
        self.phase = Phase.AWAITING
        self.request_sent = True
        if memo.head.has_body:
            self._body = RequestBody(memo.head.fields, shared.now)
            self._body.take(bytes(memo.head.fields.length or 0))  # which bytes does not matter now

    def sent_to(self, upstream: UpstreamConnection | None, started: float, moved_at: float) -> None:
        """Where and when the request was sent: in monotonic seconds, and on which tick."""
        self._upstream, self._started, self.moved_at = upstream, started, moved_at
