"""One request on its way through the gateway: decided, sent to the upstream, answered, logged.

Each request has an exchange of its own: what an upstream sends late reaches the exchange of its own
request, never the next one on the connection. After the head of a response is written, a failure
aborts the connection; it never looks like an end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import Final

from proxy.domain.authorization import Verdict
from proxy.domain.errors import Busy, StoreUnavailable
from proxy.domain.limiting import Metered
from proxy.domain.model import Deny
from proxy.domain.reasons import BaseReason
from proxy.domain.routes import Route
from proxy.gateway.balancer import Balancer
from proxy.gateway.deadlines import Phase
from proxy.gateway.failures import Failure, UpstreamFailure
from proxy.gateway.identity import PREFLIGHT, log_of
from proxy.gateway.interfaces import Client, Shared
from proxy.gateway.lingering import RestOfBody
from proxy.gateway.memo import Memo
from proxy.gateway.pool import Pool
from proxy.gateway.recorded import Recorded
from proxy.gateway.response import ResponseWriter
from proxy.gateway.tunnel import Tunnel
from proxy.gateway.upstream import UpstreamConnection
from proxy.http1.body import RequestBody
from proxy.http1.cors import preflight_lines, response_lines
from proxy.http1.error_response import OF_THE_GATEWAY
from proxy.http1.faults import Fault, Malformed
from proxy.http1.response_head import Response

# On Python 3.11, reading a member of an enumeration is a call: these are read for each request.
_CONNECTING: Final = Phase.CONNECTING
_UPLOADING: Final = Phase.UPLOADING
_AWAITING: Final = Phase.AWAITING
_RESPONDING: Final = Phase.RESPONDING
_DONE: Final = Phase.DONE


class Exchange(Recorded):
    """A request and its response: a `RequestHandler` and a `ResponseHandler`."""

    # Defaults in the class cost nothing for a request.
    wants_body = False
    offered: bytes | None = None
    _unsent = b""
    """The head, until it is sent with the first piece of the body that is there, in one write."""
    _task: asyncio.Task[None] | None = None
    _half_closed = False
    """Whether the client has closed its side."""

    def __init__(self, shared: Shared, client: Client, memo: Memo) -> None:
        head = memo.head
        self._shared = shared
        self._client = client
        self._memo = memo
        self._head = head
        self._runtime = shared.runtime  # of its beginning, to its end
        self._started = monotonic()
        self.moved_at = shared.now
        self.head_only = head.head_only
        self.request_sent = not head.has_body
        request_id = head.fields.request_id or shared.new_request_id()
        self._response = ResponseWriter(shared, client.transport, head, request_id)

    # --- the decision ---

    def begin(self) -> None:
        """Decide on the request and pass it on, or refuse it."""
        head, memo, shared = self._head, self._memo, self._shared
        if head.fault is not None:
            self.refuse(head.fault)
            return
        decider = self._runtime.decider
        try:
            if head.has_body:
                self._body = RequestBody(head.fields, shared.now)
            if head.request.path == b"*":
                self._answer(OF_THE_GATEWAY)
                return
            verdict = memo.verdict
            if verdict is None or not decider.holds(verdict):
                verdict = decider.decide(memo.access)
        except Malformed as malformed:
            self.refuse(malformed.fault)
            return
        except Busy:
            self.refuse(Failure.BUSY)
            return
        if verdict is None:
            self._task = asyncio.get_running_loop().create_task(self._decide_loading())
        else:
            self._act(verdict)

    async def _decide_loading(self, verdict: Verdict | None = None) -> None:
        """Decide with the help of the store, or have it grant what `verdict` needs of quotas."""
        decider, metered = self._runtime.decider, None
        try:
            if verdict is not None:
                metered = await self._shared.limiter.fetch(verdict.metered)
            if verdict is None or not decider.holds(verdict):
                verdict, metered = await decider.decide_loading(self._memo.access), None
            if self.phase is not _DONE:
                self._act(verdict, metered)
        except StoreUnavailable:
            self.refuse(Failure.STORE)
        except Busy:
            self.refuse(Failure.BUSY)
        except Exception:
            self.fail(Failure.INTERNAL)
            raise

    def _act(self, verdict: Verdict, metered: Sequence[Metered] | None = None) -> None:
        """Carry out the verdict. `metered` are the limits that count the request, by default those
        of the verdict: they are taken here, after the permit and before the pool."""
        permit, route, memo, shared = verdict.permit, verdict.route, self._memo, self._shared
        self._permit = permit
        self._decided = monotonic() if shared.tracer is not None else None
        if isinstance(permit, Deny):
            self._identity = log_of(permit.key)
            self.refuse(permit.reason, allow=verdict.allow)
            return
        assert route is not None
        self._route, self._response.rules = route, route.headers
        if verdict is not memo.verdict:
            memo.permit(verdict, permit)
        self._identity = memo.identity.log
        if verdict.preflight:
            self._identity = PREFLIGHT
            if route.cors is not None and memo.access.preflight is not None:
                self._answer(preflight_lines(route.cors, memo.access.preflight))
                return
        elif route.cors is not None:
            self._response.cors = response_lines(route.cors, self._head.fields.origin)
        name = verdict.upstream or route.upstream
        self._source = self._pool = pool = self._runtime.pools[name]
        bounded = route.body_size is not None and self._head.has_body
        if bounded or memo.access.upgrade in route.upgrades:
            obstacle = self._obstacle(route, pool)
            if obstacle is not None:
                self.refuse(obstacle)
                return
        if verdict.metered and not self._take(verdict, metered):
            return
        if verdict.would_refuse is not None:
            self._note(verdict.would_refuse)
        if permit.principal is not None:
            key, previous = permit.principal.key, permit.principal.previous
            shared.usage.note(key, shared.wall, memo.access.address, previous)
            if key.expires is not None and key.expires - shared.wall < self._runtime.expiry_notice:
                self._response.added += memo.identity.expiry(key.expires)
        self._identity += self._runtime.logged[name]
        self.phase = _CONNECTING
        pool.acquire(self)

    def _obstacle(self, route: Route, pool: Pool | Balancer) -> BaseReason | None:
        """Why a permitted request with a body or an offer of another protocol does not pass."""
        if self._memo.access.upgrade in route.upgrades:
            if not self._head.may_upgrade():
                return Fault.UPGRADE
            if not pool.has_room_for_a_tunnel:
                return Failure.TUNNELS
            self.offered = self._head.fields.upgrade
        if self._head.has_body and route.body_size is not None:
            return None if self._body.bound(route.body_size) else Fault.BODY_SIZE
        return None

    def _take(self, verdict: Verdict, metered: Sequence[Metered] | None) -> bool:
        """Whether the limits let the request through now; else it is refused, or acted on later."""
        limiter = self._shared.limiter
        metered = verdict.metered if metered is None else metered
        taken = limiter.take(metered)
        if taken.pending:
            self._task = asyncio.get_running_loop().create_task(self._decide_loading(verdict))
            return False
        if taken.refused:
            self._response.later = limiter.refusal_lines(metered, taken.refused)
            self.refuse(taken.refused[0].reason)
            return False
        if taken.would_refuse is not None and verdict.would_refuse is None:
            self._note(taken.would_refuse)
        if verdict.route is not None and verdict.route.ratelimit_fields:
            self._response.added = limiter.lines(metered)
        return True

    def _answer(self, lines: bytes) -> None:
        """Answer an OPTIONS as the gateway, by these field lines."""
        self._response.no_content(lines, self._body_ends)
        self._finish()

    # --- the request, to the upstream ---

    def connected(self, upstream: UpstreamConnection) -> None:
        """The upstream is connected: send the head, then the body that has arrived so far."""
        pool, memo = upstream.pool, self._memo
        if self.phase is _DONE:
            pool.release(upstream, pool.clock())
            return
        self._upstream, self._pool = upstream, pool
        self.moved_at = self._shared.now
        self.phase = _AWAITING if self.request_sent else _UPLOADING
        request_id, identity = self._response.request_id, memo.identity.fields
        if self._shared.tracer is not None:
            identity += self._trace_to(self._shared.tracer)
        prefix = None if self._route is None else self._route.prefix
        outbound = memo.outbound(pool.origin, request_id, identity, self.offered, prefix)
        if self.request_sent:
            upstream.carry(self, outbound, alone=memo.alone)
            return
        upstream.carry(self, b"", alone=memo.alone)
        self._unsent = outbound
        self._body.restart_clock(self._shared.now)
        self.wants_body = True
        self._client.ready_for_body()
        if self._half_closed and not self.request_sent:
            self.fail(Failure.BODY_INCOMPLETE)
        elif self._unsent and self._upstream is not None:
            self._upstream.transport.write(self._unsent)
            self._unsent = b""

    def receive(self, data: bytes) -> bytes:
        """Send the part of the body in `data` to the upstream, and return the rest."""
        upstream, body = self._upstream, self._body
        assert upstream is not None
        self.moved_at = self._shared.now
        self._response.client_sends()
        try:
            pieces, rest = body.take(data)
        except Malformed as malformed:
            self.fail(malformed.fault)
            return b""
        if self._unsent:
            pieces, self._unsent = [self._unsent, *pieces], b""
        if not upstream.transport.is_closing():  # its response may still be arriving
            upstream.transport.writelines(pieces)
        if body.finished:
            self.request_sent = True
            self.wants_body = False
            self.phase = _AWAITING if self.phase is _UPLOADING else _RESPONDING
            self._client.hold(False)
        return rest

    # --- the response, to the client ---

    def interim(self, response: Response) -> None:
        """Relay an interim response if it is meant for the client."""
        self._response.interim(response)

    def respond(self, response: Response, whole: bytes = b"") -> None:
        """The head of the final response."""
        self.moved_at = self._shared.now
        self.phase = _RESPONDING if self.request_sent else Phase.RESPONDING_EARLY
        upstream, route = self._upstream, self._route
        if upstream is not None and route is not None and (route.prefix or response.fields.located):
            response = self._memo.rewrite(response, upstream.pool.origin, route.prefix)
        self._response.begin(response, whole, self.request_sent or self._body_ends)

    def upstream_data(self, data: bytes) -> None:
        """A piece of its body."""
        self.moved_at = self._shared.now
        self._response.body(data)

    def response_end(self) -> None:
        """The upstream's response is complete."""
        self._upstream = None
        if self.phase is not _DONE:
            if self._response.chunking:
                self._response.end()
            self._finish()

    def switched(self, response: Response, rest: bytes) -> None:
        """Hand both connections over to a tunnel."""
        upstream = self._upstream
        assert upstream is not None
        pool = upstream.pool
        if not pool.has_room_for_a_tunnel:  # others have begun since `_act`
            self.fail(Failure.TUNNELS)
            return
        self._response.switch(response)
        self.phase = Phase.TUNNEL
        tunnel = Tunnel(
            self._client,
            upstream,
            pool,
            self._shared,
            self._runtime.decider,
            self._memo.access,
            self._tunnel_done,
        )
        upstream.relay_to(tunnel)
        if rest:  # first: a client that has closed its side may end the tunnel at once
            tunnel.upstream_data(rest)
        self._client.become(tunnel)

    def _tunnel_done(self, received: int, sent: int, reason: BaseReason | None) -> None:
        self._response.sent, self.reason = sent, reason
        self.phase = _DONE
        self._record(received)

    # --- ends ---

    def refuse(
        self, reason: BaseReason, *, status: int | None = None, allow: Sequence[str] = ()
    ) -> None:
        """Respond as the gateway, with the reason's status unless another one is given."""
        if self.phase is not _DONE:
            self.reason = reason
            routed = self._runtime.decider.routed(self._memo.access)
            self._response.refuse(status or reason.status, self._body_ends, routed, allow)
            self._finish()

    def fail(self, reason: BaseReason, *, status: int | None = None) -> None:
        """Refuse the request where no response has begun, else abort: a failure is never a clean
        end."""
        self._leave_upstream()
        if self.phase is _DONE:
            return
        if not self._response.status:
            self.refuse(reason, status=status)
            return
        self._give_up(reason)
        self._client.abort()

    def upstream_lost(self, failure: UpstreamFailure) -> None:
        """The upstream is gone: try again where the request cannot act twice, else fail."""
        self._upstream = None
        if self.phase is not _DONE and not self._again(failure):
            self.fail(failure.reason)

    def upstream_doubted(self) -> None:
        """Leave the target where the request can go to another one."""
        upstream = self._upstream
        if upstream is not None and not self._response.status:
            self._again(UpstreamFailure(Failure.UPSTREAM_TIMEOUT, unheard=True, pool=upstream.pool))

    def _again(self, failure: UpstreamFailure) -> bool:
        """Try again, if that is safe and there is where to. Returns whether it is tried."""
        source = self._source
        if source is None or self._response.status or not source.repeats(self, failure):
            return False
        self._leave_upstream()
        self._retried = self._retried or not failure.unsent
        if failure.pool is not None:
            self.tried = (*self.tried, failure.pool)
        self._pool, self.phase, self.moved_at = source, _CONNECTING, self._shared.now
        source.acquire(self, fresh=True)
        return True

    def client_eof(self) -> None:
        """The client sends no more. Its response is finished, but a partial request fails."""
        self._half_closed = True  # the rest of the body may still wait for an upstream's connection
        if self.wants_body:
            self.fail(Failure.BODY_INCOMPLETE)

    def client_lost(self) -> None:
        """The client is gone: end the request."""
        if self.phase is not _DONE:
            self._response.status = self._response.status or Failure.CLIENT_CLOSED.status
            self._leave_upstream()
            self._give_up(Failure.CLIENT_CLOSED)

    def _leave_upstream(self) -> None:
        """Drop the upstream's connection, or the place in its queue. The reset keeps the upstream
        from taking a partial request for a whole one."""
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.discard()
        elif self._pool is not None:
            self._pool.give_up(self)

    def _give_up(self, reason: BaseReason) -> None:
        self.reason = reason
        self.phase = _DONE
        self.wants_body = False
        self._record(self._body.received)

    def _finish(self) -> None:
        self.phase = _DONE
        self.wants_body = False
        if self._upstream is not None:  # answered before the request was whole
            self._upstream.discard()
            self._upstream = None
        self._record(self._body.received)
        if self._response.keep and not self.request_sent:
            self._client.become(RestOfBody(self._client, self._shared, self._body))
        else:
            self._client.exchange_done(keep=self._response.keep)
