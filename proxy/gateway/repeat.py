"""Sends the request that a connection has sent before, and passes on the same response once more.

An exchange works out what a request and its response are to become; most requests of a connection
become the same, but for an id and a few values. A `Repeat` keeps what the last exchange has worked
out. The rule that lives here: it decides nothing, and it knows no rule that an exchange does not
apply too. What is not as before goes to an exchange: before the request is sent, as any other
request; afterwards to one that goes on where the `Repeat` has got to.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from proxy.domain.model import Permit
from proxy.gateway.course import Course
from proxy.gateway.exchange import Exchange
from proxy.gateway.interfaces import Client, Shared
from proxy.gateway.limiter import PASSED
from proxy.gateway.repeated_response import RepeatedResponses
from proxy.gateway.resumed import Resumable, Resumed

if TYPE_CHECKING:
    from proxy.gateway.head_reader import HeadReader
    from proxy.gateway.upstream import UpstreamConnection
    from proxy.telemetry.usage import OpenUses


class Repeat(Resumable):
    """One connection's repeated request."""

    __slots__ = (
        "_address",
        "_client",
        "_counter",
        "_course",
        "_data",
        "_fields",
        "_holds",
        "_latency",
        "_length",
        "_metered",
        "_most",
        "_moved_at",
        "_outbound",
        "_pool",
        "_principal",
        "_reader",
        "_request_id",
        "_request_line",
        "_responses",
        "_runtime",
        "_same",
        "_shared",
        "_started",
        "_until",
        "_upstream",
        "_uses",
        "_verdict",
        "_write",
    )

    def __init__(self, shared: Shared, client: Client, reader: HeadReader, course: Course) -> None:
        """`reader` remembers the head of the exchange that took this `course`."""
        memo, verdict = course.memo, course.verdict
        assert isinstance(verdict.permit, Permit)
        self._shared = shared
        self._client, self._write = client, client.transport.write
        self._reader = reader
        self._course = course
        self._runtime, self._until = course.runtime, course.until
        self._holds = course.runtime.decider.holds
        self._verdict, self._metered = verdict, verdict.metered
        self._principal = verdict.permit.principal
        self._address = memo.access.address
        self._uses: OpenUses | None = None
        """Of the secret, since the last write."""
        self._pool = course.pool
        self._outbound = memo.outbound_format(memo.identity.fields)
        self._most = course.runtime.limits.unmeasured
        self._request_line, self._fields = memo.head.line + b"\r\n", memo.head.fields
        self._same = self._fields.own_values
        """What the format takes for the last head."""
        self._length = memo.head.fields.length or 0
        """Bytes of the body."""
        # Of the request that is sent:
        self._data = b""
        """Its head; empty where it is the same as that of the exchange."""
        self._request_id = b""
        self._started = self._moved_at = 0.0
        self._upstream: UpstreamConnection | None = None
        """Where it was sent, until the response has come."""
        self._responses = RepeatedResponses(course, self._length)
        assert memo.counter is not None
        assert memo.latency is not None
        self._counter, self._latency = memo.counter, memo.latency

    # --- the request ---

    def begin(self, data: bytes) -> bool:
        """Send the request `data`, if its head says the same as the last one, and all else is as it
        was. Returns whether it is sent: otherwise nothing is sent, and nothing counted."""
        shared, reader = self._shared, self._reader
        values, body = self._same, b""
        if self._length:
            data, body = data[: -self._length], data[-self._length :]
        if data == reader.raw:
            data = b""
        else:
            line, differing = self._request_line, None
            if len(data) <= self._most and data.startswith(line):
                differing = self._fields.differing(data, len(line))
            if differing is None:
                return False
            values = differing
        wall = shared.wall
        if (
            self._responses.moment is not shared.moment
            and (shared.runtime is not self._runtime or wall >= self._until)
        ) or not self._holds(self._verdict):
            reader.repeat = None  # for the exchange that is to begin takes a course of its own
            return False
        self._started = now = monotonic()
        upstream = self._pool.take_idle(now)
        if upstream is None:
            return False
        if self._metered and shared.limiter.take(self._metered) is not PASSED:
            self._pool.put_back(upstream)
            return False
        uses = self._uses
        if uses is not None and uses.open and uses.address == self._address:
            uses.count += 1  # `UsageRecorder.note`, without the call
            uses.last = wall
        elif (by := self._principal) is not None:
            self._uses = shared.usage.note(by.key, wall, self._address, by.previous)
        self._moved_at = shared.now
        self._request_id = request_id = shared.new_request_id()
        self._data = data
        self._upstream = upstream
        upstream.repeat(self, self._outbound % (*values, request_id, body))
        return True

    # --- the response ---

    def answer(self, data: bytes, upstream: UpstreamConnection) -> bool:
        """Pass on `data` of `upstream`, if it is a whole response, and end the request. Returns
        whether it is passed on: otherwise an exchange goes on with the request, and `data`."""
        shared, responses = self._shared, self._responses
        counter = self._counter
        found = None
        if not (upstream.blocked or upstream.pool.failures):
            found = responses.read(data)
        if (
            found is None
            or counter.until <= shared.wall
            or not (responses.moment is shared.moment or responses.prepare(shared, counter.status))
        ):
            self.go_on()
            return False
        self._upstream = upstream.repeated = None
        values, size = found
        request_id = self._request_id
        sent = len(data) - size
        now = monotonic()
        seconds = now - self._started
        self._write(responses.message % (*values, request_id, data[size:]))
        self._pool.release(upstream, now)
        shared.telemetry.pass_on(
            (responses.line, request_id, self._length, sent, seconds, now, counter, self._latency)
        )
        self._client.exchange_done(keep=True)
        return True

    # --- whatever else happens ---

    def go_on(self) -> Exchange:
        """The exchange that goes on with the request that is sent."""
        upstream, self._upstream = self._upstream, None
        memo, client = self._course.memo, self._client
        if self._data:
            memo = self._reader.take(self._data, self._runtime, client.peer)
        exchange = Resumed(self._shared, client, memo, self._course, self._request_id)
        exchange.sent_to(upstream, self._started, self._moved_at)
        self._reader.repeat = None  # it may have become another course
        client.replace(exchange)
        if upstream is not None:
            upstream.resume(exchange)
        return exchange

    def client_blocked(self, blocked: bool) -> None:
        if self._upstream is not None:  # else the response is written, and there is nothing to hold
            super().client_blocked(blocked)
