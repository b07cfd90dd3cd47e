"""The client's connection: one request at a time, in the order in which they arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ClassVar, Final, Protocol, cast

from proxy.domain.reasons import BaseReason
from proxy.gateway.course import Course, Refused
from proxy.gateway.exchange import Exchange
from proxy.gateway.failures import Failure
from proxy.gateway.head_reader import HeadReader
from proxy.gateway.interfaces import RequestHandler, Shared
from proxy.gateway.lingering import LingeringClose
from proxy.gateway.repeat import Repeat
from proxy.gateway.repeated_refusal import RepeatedRefusal
from proxy.gateway.transport import AHEAD, PEER, ReadControl, address_of, reset
from proxy.http1.error_response import refusal
from proxy.http1.faults import Malformed
from proxy.http1.forwarding import Peer
from proxy.telemetry.accesslog import requested_badly
from proxy.telemetry.outcome import Outcome

MAX_AHEAD: Final = 64 * 1024
"""Bytes that a client may send ahead of its responses; then its connection is not read further."""
HEADS_A_TURN: Final = 16 * 1024
"""Bytes of heads that are read from one connection before the others have their turn."""
A_HEAD: Final = 4 * 1024
"""Bytes that a head counts at least: a refusal takes about 100 us, however short the head is."""
MEMO_IDLE: Final = 5.0
"""Seconds after which an idle connection forgets the last head."""


class Server(Shared, Protocol):
    """What a client's connection needs of the gateway, besides what its exchanges need."""

    def admit(self, connection: Downstream) -> bool:
        """Count a connection; False where there are too many, or too many from its source."""

    def leave(self, connection: Downstream) -> None:
        """Stop counting it."""


class Downstream(asyncio.Protocol):
    """One connection from a client. Implements `interfaces.Client`."""

    __slots__ = (
        "_buffer",
        "_closing",
        "_eof",
        "_flow",
        "_fresh",
        "_handler",
        "_pumping",
        "_reader",
        "_server",
        "_since",
        "_tls",
        "_write_blocked",
        "admitted",
        "peer",
        "transport",
    )

    exchange_of: ClassVar[type[Exchange]] = Exchange
    reader_of: ClassVar[type[HeadReader]] = HeadReader
    mark: ClassVar[bytes] = b""
    """The members of the log that mark what came on such a connection, each after a comma."""

    def __init__(self, server: Server, *, tls: bool = False, source: str = "") -> None:
        """`source` is the client's address where a PROXY header names it."""
        self._server = server
        self._tls = tls
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._flow = cast("ReadControl", None)
        self.peer = Peer(source, "https" if tls else "http", False)
        self.admitted = False
        self._reader = self.reader_of()
        self._buffer = b""
        self._handler: RequestHandler | None = None
        """The exchange of the current request, or what it became."""
        self._since = server.now
        """When the current wait began, in monotonic seconds as of a tick."""
        self._fresh = True
        """Whether no response has been sent yet."""
        self._closing = self._eof = self._pumping = False
        self._write_blocked = False

    # --- called by the event loop ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._flow = ReadControl(self.transport)
        self.peer = peer_of(transport, self.peer, self._trusts)
        self.admitted = self._server.admit(self)
        if not self.admitted:
            self._closing = True
            self.transport.abort()

    def _trusts(self, address: str) -> bool:
        """Whether what a peer with this address says of its client counts."""
        return self._server.runtime.is_trusted(address)

    def data_received(self, data: bytes) -> None:
        handler = self._handler
        busy = handler or self._buffer or self._closing or self._write_blocked
        repeat = self._reader.repeat
        if repeat is not None and not busy:
            self._handler = repeat
            if repeat.begin(data):
                return
            self._handler = None
        refusal = self._reader.refusal
        if refusal is not None and not busy:
            if refusal.answers(data):
                return
            self._reader.refusal = None  # for the exchange that is to begin may take another course
        server = self._server
        if data == self._reader.raw and not busy:  # the same head again
            memo = self._reader.memo
            if memo is not None and memo.generation == server.runtime.generation:
                self._since, self._reader.recurs = server.now, True
                self._handler = exchange = self.exchange_of(server, self, memo)
                exchange.begin()
                return
        if handler is not None and handler.wants_body and not self._buffer:
            data = self._feed(handler, data)
            handler = self._handler
        if not data or self._closing:
            return
        if handler is None and not self._buffer:
            self._since = server.now
        self._buffer = self._buffer + data if self._buffer else data
        if handler is None and not self._flow.waiting:
            self._pump()
        if self._buffer:
            self._bound_buffer()

    def _feed(self, handler: RequestHandler, data: bytes) -> bytes:
        """Give `data` to the handler, and return the rest: what follows the body, or what is left
        of the body for the next turn."""
        rest = handler.receive(data)
        if rest and handler.wants_body:
            self._flow.wait_a_turn(self._take_turn)
        return rest

    def _take_turn(self) -> None:
        if self._closing:
            return
        if self._handler is None:
            self._pump()
        elif self._handler.wants_body:
            self.ready_for_body()
        self._bound_buffer()

    def _bound_buffer(self) -> None:
        """Stop reading a client that is too far ahead of its responses, or does not read them."""
        full = len(self._buffer) >= MAX_AHEAD and (self._handler or self._write_blocked)
        self._flow.hold(AHEAD, bool(full))

    def eof_received(self) -> bool:
        self._eof = True
        if self._handler is None:
            waits = self._write_blocked or self._flow.waiting
            return waits and not self._tls and not self._closing
        if not self._buffer:  # else when what is buffered has been handed over
            self._handler.client_eof()
        return not self._tls and not self._closing

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self._buffer = b""
        handler, self._handler = self._handler, None
        if handler is not None:
            handler.client_lost()
        self._handler = None  # an exchange may have taken over: there must be no cycle
        self._reader.forget()
        self._server.leave(self)

    def pause_writing(self) -> None:
        self._write_blocked = True
        self._since = self._server.now
        if self._handler is not None:
            self._handler.client_blocked(True)

    def resume_writing(self) -> None:
        self._write_blocked = False
        self._since = self._server.now
        if self._handler is not None:
            self._handler.client_blocked(False)
        elif not (self._closing or self._flow.waiting):
            self._pump()
            self._bound_buffer()

    # --- called by the exchange ---

    def ready_for_body(self) -> None:
        """The upstream is connected: hand over the body that has arrived meanwhile."""
        handler = self._handler
        if handler is not None and self._buffer:
            data, self._buffer = self._buffer, b""
            rest = self._feed(handler, data)
            if not self._closing:
                self._buffer = rest
                if self._eof and not rest and handler.wants_body:
                    handler.client_eof()
        self._bound_buffer()

    def hold(self, held: bool) -> None:
        """Stop reading, or resume: the upstream accepts no more, or does again."""
        self._flow.hold(PEER, held)

    def exchange_done(self, *, keep: bool) -> None:
        """The response is written. Without `keep`, the connection ends."""
        handler, server = self._handler, self._server
        self._handler = None
        if not keep or self._closing or server.draining:
            self._end(0 if handler is None else handler.left)
            return
        self._since = server.now
        if self._fresh:
            self._fresh = False
            self._reader.remember()
        elif self._reader.repeat is None and self._reader.recurs and handler is not None:
            course = None if self._reader.memo is None else handler.course
            if course is not None and course.memo is self._reader.memo:
                self._repeat(course)
        flow = self._flow
        if not (self._buffer or self._eof or flow.holds):
            return  # as usual
        if flow.holds & PEER:
            flow.hold(PEER, False)
        if self._pumping or flow.waiting:
            return
        if self._buffer or self._eof:
            self._pump()
        if self._buffer or flow.holds & AHEAD:
            self._bound_buffer()

    def _repeat(self, course: Course | Refused) -> None:
        """Let the next request take the course of the last one, where it can."""
        reader = self._reader
        if isinstance(course, Course):
            reader.repeat = Repeat(self._server, self, reader, course)
        else:
            reader.refusal = RepeatedRefusal(self._server, self, reader, course)

    def replace(self, handler: RequestHandler) -> None:
        """Another handler goes on with the request, where the last one has got to."""
        self._handler = handler

    def become(self, handler: RequestHandler) -> None:
        """From now on, what the client sends goes to `handler`, beginning with what is buffered."""
        waited = bool(self._buffer)
        self._handler = handler
        self._reader.forget()
        self.ready_for_body()
        if self._eof and not waited:
            handler.client_eof()

    def abort(self) -> None:
        """Reset the connection, so that the client does not take a partial response for a whole
        one."""
        self._handler = None
        self._closing = True
        reset(self.transport)

    def shut_down(self) -> None:
        """End the request on the connection, or else the connection: the gateway waits no longer,
        except for what it says last to be sent."""
        if self._handler is not None:
            self._handler.fail(Failure.SHUTTING_DOWN)
        else:
            self.transport.abort()

    # --- requests ---

    def _pump(self) -> None:
        """Begin the requests that have arrived, as long as each is done at once, and at most
        `HEADS_A_TURN` in one turn: otherwise a client that only gets refusals would hold up the
        others."""
        server, left = self._server, HEADS_A_TURN
        self._pumping = True
        try:
            while self._buffer and not (self._handler or self._closing or self._write_blocked):
                if left <= 0:
                    self._flow.wait_a_turn(self._take_turn)
                    break
                read = self._reader.read(self._buffer, server.runtime, self.peer)
                if read is None:
                    break
                memo, rest = read
                left -= max(A_HEAD, len(self._buffer) - len(rest))
                self._buffer = rest
                self._handler = exchange = self.exchange_of(server, self, memo)
                exchange.begin()
        except Malformed as malformed:
            self._refuse(malformed.fault)
        finally:
            self._pumping = False
        waits = self._handler or self._closing or self._write_blocked or self._flow.waiting
        if self._eof and not waits:
            self._end()  # every whole request before the client's FIN has its response

    def _refuse(self, reason: BaseReason) -> None:
        """Refuse a malformed or late head, and end the connection."""
        server, status = self._server, reason.status
        request_id = server.new_request_id()
        close = b"Connection: close\r\n"
        self.transport.write(refusal(status, request_id, server.date, connection=close))
        requested = requested_badly(self.peer.address, self._buffer)
        server.telemetry.record(
            Outcome(
                request_id,
                requested,
                status,
                received=0,
                sent=0,
                seconds=0.0,
                identity=self.mark,
                reason=reason,
            ),
            server.telemetry.latency(status),
        )
        server.usage.counter(server.wall, status, reason).requests += 1
        self._end(None)

    # --- the end ---

    def _end(self, left: int | None = 0) -> None:
        """Close once the client has read what was written, and has sent the rest of its request:
        `left` bytes, None where that is unknown."""
        if self._closing:
            return
        self._reader.forget()
        self._flow.hold(AHEAD | PEER, False)
        self._handler = LingeringClose(self, self._server, left, eof=self._eof)
        self.ready_for_body()

    def tick(self, now: float) -> None:
        """End what takes too long. Called about once a second."""
        if self._handler is not None:
            self._handler.tick(now)
            return
        timeouts = self._server.runtime.timeouts
        waited = now - self._since
        if self._write_blocked:
            if waited >= timeouts.stalled_reader:
                self.transport.abort()
        elif self._server.draining and not self._buffer and now >= self._server.idle_until:
            self._end()
        elif self._buffer or self._fresh:
            if waited >= timeouts.head:
                self._refuse(Failure.HEAD_TIMEOUT)
        elif waited >= timeouts.keepalive:
            self._end()
        elif waited >= MEMO_IDLE:
            self._reader.forget()

    def settle(self, version: int) -> bool:
        """Decide anew on the request that is under way, if there is one."""
        return self._handler is None or self._handler.settle(version)


def peer_of(
    transport: asyncio.BaseTransport, known: Peer, is_trusted: Callable[[str], bool]
) -> Peer:
    """The client at the other end of a connection. `known` has the scheme, and the address if a
    PROXY header names it."""
    address = known.address or address_of(transport)
    return Peer(address, known.scheme, is_trusted(address))
