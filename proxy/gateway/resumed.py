"""How an exchange goes on with a request that was sent without one.

Tested in `tests/proxy/gateway/test_repeat.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from proxy.domain.reasons import BaseReason
from proxy.gateway.course import Course
from proxy.gateway.deadlines import Phase
from proxy.gateway.exchange import Exchange
from proxy.gateway.interfaces import Client, Shared
from proxy.gateway.memo import Memo
from proxy.gateway.upstream import UpstreamConnection
from proxy.http1.body import RequestBody


class Resumable(ABC):
    """A request that was sent without an exchange. Whatever happens to it but its response, happens
    to an exchange that goes on with it. Implements `interfaces.RequestHandler`."""

    __slots__ = ()
    wants_body = False
    left = 0
    course = None

    @abstractmethod
    def go_on(self) -> Exchange:
        """The exchange that goes on with the request from now on."""

    def receive(self, data: bytes) -> bytes:
        """The body is sent: all of `data` belongs to the next request."""
        return data

    def fail(self, reason: BaseReason) -> None:
        """End it now, for this reason."""
        self.go_on().fail(reason)

    def client_eof(self) -> None:
        """The client sends no more."""
        self.go_on().client_eof()

    def client_lost(self) -> None:
        """The client is gone."""
        self.go_on().client_lost()

    def client_blocked(self, blocked: bool) -> None:
        """The client does not read, or does again."""
        self.go_on().client_blocked(blocked)

    def tick(self, now: float) -> None:
        """Look at the deadlines."""
        self.go_on().tick(now)

    def settle(self, version: int) -> bool:
        """Decide anew."""
        return self.go_on().settle(version)


class Resumed(Exchange):
    """That exchange. It knows what the one before it has worked out, which took this `course`."""

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
