"""One request's passage through the gateway: judged, carried, answered, logged.

A request object of its own keeps exchanges apart: whatever comes late from an upstream reaches the
exchange that asked for it, never the next one on the connection. Once an answer's head has gone
out, failure aborts and never pretends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from proxy.auth.authenticator import Busy
from proxy.auth.decision import Verdict
from proxy.domain.model import Deny, StoreUnavailable
from proxy.gateway.identity import Identity, log_of
from proxy.gateway.pool import Pool
from proxy.gateway.response import Reply
from proxy.gateway.revocation import RevocationWatch
from proxy.gateway.tunnel import Tunnel
from proxy.gateway.upstream import Answer, UpstreamConnection
from proxy.http1.body import RequestBody
from proxy.http1.chunked import LAST_CHUNK
from proxy.http1.error_response import CONTINUE
from proxy.http1.grammar import Malformed
from proxy.http1.outbound import request_head

SAFE_TO_REPEAT = frozenset({b"GET", b"HEAD", b"OPTIONS"})
"""Sent once more where a connection that was used before closes without a byte of an answer
(RFC 9110 section 9.2.2); everything else at most once."""


class Exchange(Reply):
    """A request and its way up; its answer's way down is a `Reply`.

    Implements `upstream.Carried` and `passage.Passage`.
    """

    wants_body = False
    _body: RequestBody | None = None
    _upstream: UpstreamConnection | None = None
    _pool: Pool | None = None
    _identity: Identity | None = None
    _task: asyncio.Task[None] | None = None
    _watch: RevocationWatch | None = None
    _tunnel: Tunnel | None = None
    _done = _blocked = _ended = False
    _stuck = False
    """Whether the upstream takes no more of the request: then it is not the client who is slow."""

    # --- the decision ---

    def begin(self) -> None:
        """Judge the request and pass it on, or refuse it."""
        head, node = self._head, self._node
        if head.flaw is not None:
            self.refuse(400, head.flaw)
            return
        try:
            if head.has_body:
                self._body = RequestBody(head.fields, node.body_size, node.now)
            if head.request.path == b"*":
                self._write_star()
                self._finish()
                return
            verdict = node.judge.judge(head, self._address)
        except Malformed as malformed:
            self.refuse(malformed.status, malformed.word)
            return
        except Busy:
            self.refuse(503, "busy")
            return
        if verdict is None:
            self._task = asyncio.get_running_loop().create_task(self._judge_fully())
        else:
            self._act(verdict)

    async def _judge_fully(self) -> None:
        try:
            verdict = await self._node.judge.judge_fully(self._head, self._address)
        except StoreUnavailable:
            self.refuse(503, "store")
        except Busy:
            self.refuse(503, "busy")
        except Exception:
            self.refuse(500, "internal")
            raise
        else:
            if not self._done:
                self._act(verdict)

    def _act(self, verdict: Verdict) -> None:
        permit = verdict.permit
        if isinstance(permit, Deny):
            self._who = log_of(permit.key)
            self.refuse(permit.reason.status, permit.reason.word, allow=verdict.allow)
            return
        route = verdict.route
        assert route is not None
        identity = self._fields.identity
        if identity is None or not identity.tells(permit):
            identity = self._fields.identity = Identity(permit)
        self._identity = identity
        self._who = identity.log
        node = self._node
        if permit.principal is not None:
            node.uses.note(permit.principal.key.id, node.wall, self._address)
        offered = self._fields.upgrade
        if offered and offered.decode("latin-1") in route.upgrades:
            if not self._may_upgrade(offered):
                self.refuse(400, "upgrade")
                return
            self.wants_upgrade = offered
        self._pool = pool = node.pools[route.upstream]
        if self.wants_upgrade and not pool.has_room_for_a_tunnel:
            self.refuse(503, "tunnels")
            return
        pool.acquire(self)

    def _may_upgrade(self, protocol: bytes) -> bool:
        """Whether the request is one that may become a tunnel (RFC 6455 section 4.1)."""
        request, fields = self._request, self._fields
        whole = request.method == b"GET" and request.minor and self.request_sent
        return bool(whole) and (protocol != b"websocket" or fields.websocket_key)

    # --- the request, on its way up ---

    def carried_by(self, upstream: UpstreamConnection) -> None:
        """A connection is there: send the head, then what came of the body."""
        assert self._pool is not None
        assert self._identity is not None
        if self._done:
            self._pool.release(upstream)
            return
        self._upstream = upstream
        self._moved_at = self._node.now
        head = request_head(
            self._head,
            self._pool.origin,
            self._client.peer,
            self._identity.fields,
            self.request_id,
            upgrade=self.wants_upgrade,
        )
        upstream.carry(self, head)
        if self._body is not None and not self.request_sent:
            self._body.restart_clock(self._node.now)
            self.wants_body = True
            self._client.ready_for_body()
            if self._ended and not self.request_sent:
                self.fail(400, "client-closed")

    def receive(self, data: bytes) -> bytes:
        """Pass on what `data` holds of the body, and return the rest of it."""
        try:
            return self._forward(data)
        except Malformed as malformed:
            self.fail(malformed.status, malformed.word)
            return b""

    def _forward(self, data: bytes) -> bytes:
        upstream, body = self._upstream, self._body
        assert upstream is not None
        assert body is not None
        self._moved_at = self._node.now
        self._continued = True  # a client that sends does not wait
        pieces, rest = body.take(data)
        if not upstream.transport.is_closing():  # its answer may still be on its way down
            upstream.transport.writelines(pieces)
        if body.finished:
            self.request_sent = True
            self.wants_body = False
            self._client.hold(False)
        return rest

    def upstream_blocked(self, blocked: bool) -> None:
        """Read no faster than the upstream takes it."""
        self._moved_at = self._node.now
        self._stuck = blocked
        if self._body is not None and not self.request_sent:
            self._body.restart_clock(self._node.now)
            self._client.hold(blocked)

    # --- the answer, on its way down ---

    def answer_end(self) -> None:
        """The upstream's answer is complete."""
        self._upstream = None
        if self._done:
            return
        if self._chunking:
            self._client.transport.write(LAST_CHUNK)
        self._finish()

    def switched(self, answer: Answer, rest: bytes) -> None:
        """Hand both connections over to a tunnel."""
        upstream, pool = self._upstream, self._pool
        assert upstream is not None
        assert pool is not None
        if not pool.has_room_for_a_tunnel:  # others began while this one asked
            self.fail(503, "tunnels")
            return
        self._write_switch(answer)
        tunnel = Tunnel(
            self._client, upstream, pool, self._node, self._watched(), self._tunnel_done
        )
        self._tunnel = tunnel
        upstream.carried = tunnel
        self._client.become(tunnel)
        if rest:
            tunnel.answer_body(rest)

    def _tunnel_done(self, received: int, sent: int, reason: str | None) -> None:
        self._sent, self.reason = sent, reason
        self._done = True
        self._write_log(received)

    # --- ends ---

    def refuse(self, status: int, reason: str, *, allow: Sequence[str] = ()) -> None:
        """Answer in the gateway's own name. A client with a body still to send is cut off."""
        if self._done:
            return
        self._write_refusal(status, reason, allow)
        self._finish()

    def fail(self, status: int, reason: str) -> None:
        """End in `status` if no answer has begun, else by aborting: never a clean end."""
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.discard()
        elif self._pool is not None:
            self._pool.give_up(self)
        if self._done:
            return
        if not self._answered:
            self.refuse(status, reason)
            return
        self.reason = reason
        self._done = True
        self.wants_body = False
        self._write_log(self._body.received if self._body is not None else 0)
        self._client.abort()

    def upstream_lost(self, status: int, word: str, *, unanswered: bool) -> None:
        """The upstream is gone: once more where that cannot act twice, else say so."""
        self._upstream = None
        if self._done:
            return
        once_more = unanswered and not self._retried and not self._answered
        if once_more and self._request.method in SAFE_TO_REPEAT and self._body is None:
            assert self._pool is not None
            self._retried = True
            self._pool.acquire(self, fresh=True)
            return
        self.fail(status, word)

    def upstream_eof(self) -> None:
        """Only tunnels relay it."""

    def client_eof(self) -> None:
        """The client sends no more: its answer finishes, half a request does not."""
        self._ended = True  # the rest of the body may still wait for an upstream's connection
        if self.wants_body:
            self.fail(400, "client-closed")

    def client_lost(self) -> None:
        """The client is gone, and with it the reason to go on."""
        if self._done:
            return
        self._status = self._status or 499  # nginx's number for it; nobody receives it
        self.reason = "client-closed"
        self._done = True
        self.wants_body = False
        if self._upstream is not None:
            self._upstream.discard()
            self._upstream = None
        elif self._pool is not None:
            self._pool.give_up(self)
        self._write_log(self._body.received if self._body is not None else 0)

    def client_blocked(self, blocked: bool) -> None:
        """Read no faster from the upstream than the client takes it."""
        self._blocked = blocked
        self._moved_at = self._node.now
        if self._upstream is not None:
            self._upstream.hold(blocked)

    def _finish(self) -> None:
        self._done = True
        self.wants_body = False
        if self._upstream is not None:  # answered before the request was whole
            self._upstream.discard()
            self._upstream = None
        self._write_log(self._body.received if self._body is not None else 0)
        self._client.exchange_done(keep=self._keep)

    # --- time ---

    def tick(self, now: float) -> None:
        """End what takes too long. Called about once a second."""
        if self._done or self._pool is None:
            return  # a decision has bounds of its own
        self._watched().tick(self._node.wall)
        if not self._done:
            self._tick_in_time(now, self._pool)

    def _tick_in_time(self, now: float, pool: Pool) -> None:
        timeouts = self._node.timeouts
        quiet = now - self._moved_at
        if self._upstream is None:
            if quiet >= pool.dial.first_byte_timeout:
                self.fail(503, "upstream-busy")
            return
        if self._blocked:
            if quiet >= timeouts.stalled_reader:
                self.fail(408, "client-stalled")
        elif self._answered:
            if quiet >= pool.dial.idle_timeout:
                self.fail(504, "upstream-idle")
            elif not self.request_sent and not self._stuck:
                self._tick_body(now, quiet)  # an early answer is no leave to drip
        elif self._stuck and not self.request_sent:
            if quiet >= pool.dial.idle_timeout:
                self.fail(504, "upstream-stalled")
        elif self.request_sent:
            if quiet >= pool.dial.first_byte_timeout:
                self.fail(504, "upstream-timeout")
        else:
            self._tick_body(now, quiet)

    def _watched(self) -> RevocationWatch:
        """Made at the first tick: most requests see none."""
        if self._watch is None:
            self._watch = RevocationWatch(
                self._node.judge, self._head, self._address, self._revoked
            )
        return self._watch

    def _revoked(self, deny: Deny) -> None:
        """The right to go on has ended."""
        if self._tunnel is not None:
            self._tunnel.cut("revoked")
        elif not self._done:
            self.fail(deny.reason.status, "revoked")

    def _tick_body(self, now: float, quiet: float) -> None:
        timeouts, body = self._node.timeouts, self._body
        assert body is not None
        if self._fields.expect and not self._continued and quiet >= timeouts.expect:
            self._continued = True
            if self._request.minor:
                self._client.transport.write(CONTINUE)
        if quiet >= timeouts.body_idle:
            self.fail(408, "body-idle")
        elif body.too_slow(now, timeouts.body_window, timeouts.body_min_rate):
            self.fail(408, "body-slow")
