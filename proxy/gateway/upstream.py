"""The upstream's side of an exchange: one connection, and how its responses are read.

A connection carries one request at a time, so a response always belongs to that request: a byte
before, between or after responses ends the connection. The connection is used again only if request
and response have both ended cleanly. Tested in `tests/hostile/test_answers.py` and
`tests/load/test_upstream.py`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Final, cast

from proxy.gateway.failures import OF_RESPONSES, Failure, UpstreamFailure
from proxy.gateway.transport import PEER, ReadControl, acknowledge, reset, unread
from proxy.gateway.upstream_interfaces import Relay, ResponseHandler
from proxy.http1.body import BodyReader
from proxy.http1.faults import Fault, Malformed
from proxy.http1.response_head import MAX_HEAD, Response, read_response

if TYPE_CHECKING:
    from proxy.gateway.pool import Pool
    from proxy.gateway.repeat import Repeat

MAX_UNREAD: Final = 256 * 1024
"""Bytes of a response that are still read once the upstream takes no more of the request: servers
that refuse an upload answer, and close without reading it."""
MAX_INTERIM: Final = 16
"""Interim responses before the final one. curl: no bound; Go net/http: 5 until 2024."""

SHORT: Final = 16 * 1024
"""Bytes. After a shorter piece of a response, the upstream may wait for its acknowledgement."""

_BARE_LINE_FEED: Final = re.compile(rb"(?<!\r)\n").search


class UpstreamConnection(asyncio.Protocol):
    """One connection to an upstream."""

    __slots__ = (
        "_alone",
        "_body",
        "_buffer",
        "_handler",
        "_head_only",
        "_heard",
        "_interims",
        "_keep",
        "_later",
        "_lost",
        "_raw",
        "_read",
        "_relay",
        "_response",
        "blocked",
        "carried",
        "flow",
        "idle_since",
        "pool",
        "repeated",
        "transport",
        "until",
        "used",
    )

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        self.flow = cast("ReadControl", None)
        self._handler: ResponseHandler | None = None
        self.repeated: Repeat | None = None
        self._relay: Relay | None = None
        """In place of the handler, once the request has become a tunnel."""
        self.idle_since = 0.0
        self.until = inf
        """When it is too old to be used again, in monotonic seconds."""
        self.carried = 0
        """How many requests it has carried."""
        self.used = False
        """Whether it has carried another request before."""
        self._buffer = b""
        self._raw = b""
        self._response: Response | None = None
        """The last response's head, as bytes and parsed: upstreams send the same head again,
        too."""
        self._body = BodyReader(0)
        self._heard = self._keep = self._head_only = self._alone = False
        self.blocked = False
        """Whether the upstream has not read what was written: whoever writes next has to wait."""
        self._interims = 0
        self._later = b""
        """Bytes of the body that are left for the next turn."""
        self._lost = False
        self._read: Callable[[bytes], None] = self._read_unexpected

    # --- called by the exchange ---

    def carry(self, handler: ResponseHandler, head: bytes, *, alone: bool) -> None:
        """Send a request's head; empty, where it is to leave with the first piece of the body. What
        arrives from now on is its response. `alone`: nothing may follow the request on the
        connection, and its head says so."""
        self.used = self.carried > 0
        self.carried += 1
        self._handler = handler
        self._head_only = handler.head_only
        self._alone = alone
        self._heard = False
        self._interims = 0
        self._buffer = b""
        self._read = self._read_head
        self.transport.write(head)

    def repeat(self, handler: Repeat, head: bytes) -> None:
        """As `carry`, for a request that was sent before. `handler` takes a response that arrives
        as a whole; otherwise an exchange does, which it lets `resume`."""
        self.carried += 1
        self.repeated = handler
        self.transport.write(head)

    def resume(self, handler: ResponseHandler) -> None:
        """`handler` goes on with a repeated request."""
        self.repeated = None
        self._handler = handler
        self.used = self.carried > 1
        self._head_only = self._alone = self._heard = False
        self._interims = 0
        self._buffer = b""
        self._read = self._read_head

    def _leave_repeat(self) -> None:
        """What happens now is for an exchange: let one go on with a repeated request."""
        if self.repeated is not None:
            self.repeated.go_on()

    def relay_to(self, relay: Relay) -> None:
        """From now on, what arrives goes to a tunnel."""
        self._handler, self._relay = None, relay
        self._read = relay.upstream_data

    def discard(self) -> None:
        """Reset the connection at once: a partial request must never look complete."""
        self._handler = self._relay = self.repeated = None
        self._read = self._read_unexpected
        if not self._lost:  # by now, another socket may have its number
            reset(self.transport)

    def finish(self) -> None:
        """Close the connection after what was written is sent; the pool cuts it if that takes
        long."""
        self._handler = self._relay = None
        self._read = self._read_unexpected
        if not self.transport.is_closing():
            self.transport.close()
            self.pool.closing(self)

    def fail(self, reason: Failure) -> None:
        """End the request on the connection, for this reason: the upstream has failed it."""
        self._fail(reason)

    def doubt(self) -> None:
        """The upstream may be dead. A request that has heard nothing of it may go elsewhere."""
        self._leave_repeat()
        if self._handler is not None and not self._heard:
            self._handler.upstream_doubted()

    def hold(self, held: bool) -> None:
        """Stop reading, or resume: the client accepts no more, or does again."""
        self.flow.hold(PEER, held)

    # --- called by the event loop ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.flow = ReadControl(self.transport)

    def secured(self, transport: asyncio.Transport) -> None:
        """Go on over TLS in the same connection."""
        self.flow.over_tls(transport, self.transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            repeated = self.repeated
            if repeated is None or not repeated.answer(data, self):
                self._read(data)
        except Malformed as malformed:
            self._fail(OF_RESPONSES[malformed.fault])

    def eof_received(self) -> bool:
        if self._relay is not None:
            self._relay.upstream_eof()
            return self.transport.can_write_eof()  # TLS closes both sides at once
        if self._handler is not None and self._read == self._read_body and self._body.until_close:
            self._end(self._handler, b"")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.pool.lost(self)
        self._lost = True
        self._leave_repeat()
        waits = exc is not None and self._handler is not None and not self._later
        if waits and (data := unread(self.transport, MAX_UNREAD)):
            self.data_received(data)
        if not self._later:  # over TLS the end may arrive before the turn
            self._fail(Failure.UPSTREAM_CLOSED)
            self._read = _ignore  # a method of its own would keep it alive until a collection

    def pause_writing(self) -> None:
        self._set_blocked(True)

    def resume_writing(self) -> None:
        self._set_blocked(False)

    def _set_blocked(self, blocked: bool) -> None:
        self.blocked = blocked
        self._leave_repeat()
        receiver = self._handler or self._relay
        if receiver is not None:
            receiver.upstream_blocked(blocked)

    # --- reading a response ---

    def _read_unexpected(self, _data: bytes) -> None:
        self.discard()

    def _read_head(self, data: bytes) -> None:
        """Read interim heads, and the final one. After that no head is read."""
        handler = self._handler
        self._heard = True
        seen = 0
        if self._buffer:
            seen = max(0, len(self._buffer) - 3)  # already searched: heads may arrive byte by byte
            data = self._buffer + data
            self._buffer = b""
        response = self._response
        if handler is None:
            return
        if response is not None and not self._head_only and data.startswith(self._raw):
            self._final(handler, response, data[len(self._raw) :])
            return
        while data and self._handler is handler:
            end = data.find(b"\r\n\r\n", seen, MAX_HEAD)
            if end < 0:
                if len(data) >= MAX_HEAD:
                    raise Malformed(Fault.HEAD_SIZE)
                if _BARE_LINE_FEED(data, seen):
                    raise Malformed(Fault.LINE_END)
                self._buffer = data
                acknowledge(self.transport)
                return
            response = read_response(data, end, self._response, head_only=self._head_only)
            raw, data = data[: end + 4], data[end + 4 :]
            seen = 0
            if response.status >= 200 or response.status == 101:
                if not self._head_only:
                    self._raw, self._response = raw, response
                self._final(handler, response, data)
                return
            self._interim(handler, response)

    def _interim(self, handler: ResponseHandler, response: Response) -> None:
        self._interims += 1
        if self._interims > MAX_INTERIM or response.fields.chunked or response.fields.length:
            raise Malformed(Fault.INTERIM)
        handler.interim(response)

    def _final(self, handler: ResponseHandler, response: Response, rest: bytes) -> None:
        """Act on the head of the final response. Its framing follows RFC 9112 section 6.3, in that
        order."""
        if self.pool.failures or response.status >= 500:
            self.pool.answered(response.status)
        if response.status == 101:
            self._switch(handler, response, rest)
            return
        self._keep = response.keep and not self._alone
        length = response.fields.length
        if response.bodiless or length == 0:
            handler.respond(response)
            self._end(handler, rest)
            return
        if length is not None and len(rest) >= length:
            handler.respond(response, rest[:length])
            self._end(handler, rest[length:])
            return
        self._body = BodyReader(length, chunked=response.fields.chunked)
        self._read = self._read_body
        if self._body.until_close:
            self._keep = False
        handler.respond(response)
        if self._handler is handler:
            self._read_body(rest)

    def _switch(self, handler: ResponseHandler, response: Response, rest: bytes) -> None:
        agreed = handler.offered is not None and response.fields.upgrade == handler.offered
        if not (agreed and handler.request_sent):  # the rest of the body would go into the tunnel
            raise Malformed(Fault.UPGRADE)
        self._keep = False
        handler.switched(response, rest)

    def _read_body(self, data: bytes) -> None:
        handler = self._handler
        if handler is None:
            return
        if self._later:
            self._later += data
            return
        body, rest = self._body.feed(data)
        if body:
            handler.upstream_data(body)
        if self._body.finished:
            self._end(handler, rest)
        elif rest and self._handler is handler:
            self._later = rest
            self.flow.wait_a_turn(self._go_on)
        elif len(data) < SHORT:
            acknowledge(self.transport)

    def _go_on(self) -> None:
        """Go on with what was left for this turn."""
        data, self._later = self._later, b""
        if self._handler is None:
            return
        self.data_received(data)
        if self._lost and not self._later:
            self._fail(Failure.UPSTREAM_CLOSED)

    def _end(self, handler: ResponseHandler, rest: bytes) -> None:
        """The response is complete. Bytes after it belong to no request: the connection is not
        kept then."""
        self._read = self._read_unexpected
        if self._handler is None:  # the exchange ended during the call before
            self.discard()
            return
        self._handler = None
        if self._lost:
            pass  # the pool knows that already
        elif self._keep and not rest and handler.request_sent and not self.blocked:
            if self.flow.holds & PEER:
                self.hold(False)  # an idle connection must notice that the upstream closes
            # First, so that the client's next request may use it:
            self.pool.release(self, self.pool.clock())
        elif self._alone and not (rest or handler.offered) and handler.request_sent:
            self.hold(False)
            self.pool.closing(self, asked=True)  # who closes first keeps the port: TIME_WAIT
        else:
            self.discard()
        handler.response_end()

    def _fail(self, reason: Failure) -> None:
        self._leave_repeat()
        handler, relay = self._handler, self._relay
        unheard = not self._heard
        unanswered = unheard and self.used and reason is Failure.UPSTREAM_CLOSED
        self.discard()
        failure = UpstreamFailure(reason, unanswered, unheard=unheard, pool=self.pool)
        if handler is not None:
            if not unanswered:  # a kept connection may be closed at any time: that is no failure
                self.pool.failed(reason.code)
            handler.upstream_lost(failure)
        elif relay is not None:
            relay.upstream_lost(failure)


def _ignore(_data: bytes) -> None:
    """What reads a connection that is gone."""
