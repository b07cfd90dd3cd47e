"""The client's connection: heads are cut out of what arrives, one request at a time, in order.

An API client sends the same head again and again, or at least one that is much like it: what the
bytes alone determine, and no value that differs has a part in, is used again (`http1.head`,
`http1.template`). Everything else is judged afresh.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

from proxy.gateway.exchange import Exchange
from proxy.gateway.interfaces import Node, Passage
from proxy.gateway.transport import reset
from proxy.http1.error_response import refusal
from proxy.http1.fields import RequestFields
from proxy.http1.grammar import FIELD_BLOCK, HeadScan, Malformed, request_line
from proxy.http1.head import Head
from proxy.http1.outbound import LOCAL, Peer
from proxy.telemetry.accesslog import asked_badly, entry

MAX_AHEAD = 64 * 1024
"""Bytes that a client may send ahead of the answers it waits for; then it is read no further."""
HEADS_A_TURN = 16 * 1024
"""Bytes of heads taken from one connection before the others have their turn."""
A_HEAD = 4 * 1024
"""What a head counts at least: a refusal takes some 100 us, however short it was asked for."""
MEMO_IDLE = 5.0
"""Seconds after which an idle connection lets go of the head that it remembers."""


class Gate(Node, Protocol):
    """What a client's connection needs of the gateway besides what its exchanges need."""

    def admit(self, connection: Downstream) -> bool:
        """Count a connection; False where there are too many, or too many from its source."""

    def leave(self, connection: Downstream) -> None: ...
    def is_trusted(self, address: str) -> bool: ...


class Downstream(asyncio.Protocol):
    """One connection from a client."""

    __slots__ = (
        "_ahead_held",
        "_buffer",
        "_closing",
        "_eof",
        "_fresh",
        "_gateway",
        "_head",
        "_passage",
        "_pumping",
        "_raw",
        "_scan",
        "_since",
        "_tls",
        "_turn_waits",
        "_unread",
        "_upstream_held",
        "_write_blocked",
        "admitted",
        "peer",
        "transport",
    )

    def __init__(self, gateway: Gate, *, tls: bool = False) -> None:
        self._gateway = gateway
        self._tls = tls
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        self.peer = Peer("", "http", False)
        self.admitted = False
        self._buffer = b""
        self._scan: HeadScan | None = None
        self._head: Head | None = None
        self._raw = b""
        """The head before, for as long as it is remembered, and its bytes."""
        self._passage: Passage | None = None
        self._since = gateway.now
        """When it began to wait for what it now waits for."""
        self._fresh = True
        self._closing = self._eof = self._pumping = False
        self._ahead_held = self._upstream_held = self._write_blocked = self._unread = False
        self._turn_waits = False

    # --- what the event loop does ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.peer = peer_of(transport, "https" if self._tls else "http", self._gateway.is_trusted)
        self.admitted = self._gateway.admit(self)
        if not self.admitted:
            self._closing = True
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        passage = self._passage
        busy = passage or self._buffer or self._closing or self._write_blocked
        if data == self._raw and not busy:
            assert self._head is not None
            self._since = self._gateway.now
            self._passage = exchange = Exchange(self._gateway, self, self._head)
            exchange.begin()
            return
        if passage is not None and passage.wants_body and not self._buffer:
            data = self._feed(passage, data)
        if not data or self._closing:
            return
        if passage is None and not self._buffer:
            self._since = self._gateway.now
        self._buffer = self._buffer + data if self._buffer else data
        if passage is None and not self._turn_waits:
            self._pump()
        if self._buffer:
            self._bound_buffer()

    def _feed(self, passage: Passage, data: bytes) -> bytes:
        """Hand over what `data` holds of a body, and return the rest, which may be more of it than
        is taken in one turn."""
        rest = passage.receive(data)
        if rest and passage.wants_body:
            self._wait_a_turn()
        return rest

    def _wait_a_turn(self) -> None:
        """Go on once the others have had theirs; until then nothing more is read."""
        if not self._turn_waits:
            self._turn_waits = True
            asyncio.get_running_loop().call_soon(self._take_turn)

    def _take_turn(self) -> None:
        self._turn_waits = False
        if self._closing:
            return
        if self._passage is None:
            self._pump()
        elif self._passage.wants_body:
            self.ready_for_body()
        self._bound_buffer()

    def _bound_buffer(self) -> None:
        """Read no further than a client may be ahead: of its answers, of its own reading, or of its
        turn."""
        full = len(self._buffer) >= MAX_AHEAD and (self._passage or self._write_blocked)
        self._hold(ahead=self._turn_waits or bool(full))

    def eof_received(self) -> bool:
        self._eof = True
        if self._passage is None:
            waits = self._write_blocked or self._turn_waits
            return waits and not self._tls and not self._closing
        self._passage.client_eof()
        return not self._tls and not self._closing

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self._buffer = b""
        passage, self._passage = self._passage, None
        if passage is not None:
            passage.client_lost()
        self._gateway.leave(self)

    def pause_writing(self) -> None:
        self._write_blocked = True
        self._since = self._gateway.now
        if self._passage is not None:
            self._passage.client_blocked(True)

    def resume_writing(self) -> None:
        self._write_blocked = False
        self._since = self._gateway.now
        if self._passage is not None:
            self._passage.client_blocked(False)
        elif not (self._closing or self._turn_waits):
            self._pump()
            self._bound_buffer()

    # --- what the exchange does ---

    def ready_for_body(self) -> None:
        """The upstream is there: hand over what came of the body meanwhile."""
        passage = self._passage
        if passage is not None and self._buffer:
            data, self._buffer = self._buffer, b""
            rest = self._feed(passage, data)
            if not self._closing:
                self._buffer = rest
        self._bound_buffer()

    def hold(self, held: bool) -> None:
        """Stop or go on reading: the upstream takes no more."""
        self._hold(upstream=held)

    def exchange_done(self, *, keep: bool) -> None:
        """The answer is out. Without `keep`, the connection ends."""
        sending = self._passage is not None and not self._passage.request_sent
        self._passage = None
        if not keep or self._closing or self._gateway.draining:
            self._end(sending=sending)
            return
        self._since = self._gateway.now
        self._fresh = False
        if self._upstream_held:
            self._hold(upstream=False)
        if self._pumping or self._turn_waits:
            return
        if self._buffer or self._eof:
            self._pump()
        if self._ahead_held or self._buffer:
            self._bound_buffer()

    def become(self, tunnel: Passage) -> None:
        """From here on, what the client sends goes to `tunnel`; what waited goes first."""
        self._passage = tunnel
        self._forget()
        self.ready_for_body()
        if self._eof:
            tunnel.client_eof()

    def abort(self) -> None:
        """End the connection so that no client takes what it got for a whole answer."""
        self._passage = None
        self._closing = True
        reset(self.transport)

    # --- reading heads ---

    def _pump(self) -> None:
        """Begin what has arrived, as long as one request after the other is done at once, but no
        more than so much in one turn: else who only gets refusals would hold up everybody."""
        self._pumping = True
        left = HEADS_A_TURN
        try:
            while self._buffer and not (self._passage or self._closing or self._write_blocked):
                if left <= 0:
                    self._wait_a_turn()
                    break
                size = len(self._buffer)
                if not self._begin():
                    break
                left -= max(A_HEAD, size - len(self._buffer))
        except Malformed as malformed:
            self._refuse(malformed.status, malformed.word)
        finally:
            self._pumping = False
        waits = self._passage or self._closing or self._write_blocked or self._turn_waits
        if self._eof and not waits:
            self._end()  # all that came whole before the client's FIN is answered

    def _begin(self) -> bool:
        """Cut a head out and begin its exchange. False while it is incomplete."""
        data, head, raw = self._buffer, self._head, self._raw
        if head is not None and self._scan is None and data.startswith(raw):
            self._buffer = data[len(raw) :]
        else:
            head = self._read_head(data)
            if head is None:
                return False
        self._passage = exchange = Exchange(self._gateway, self, head)
        exchange.begin()
        return True

    def _read_head(self, data: bytes) -> Head | None:
        """Cut a head out of `data`, and remember it. None while it is incomplete."""
        limits, before = self._gateway.limits, self._head
        end = data.find(b"\r\n\r\n", 0, limits.head_size) if self._scan is None else -1
        line_end = data.find(b"\r\n")
        block = data[line_end + 2 : end + 4]
        # What is whole and plain needs no scan, which would only find the same.
        short = 0 < line_end <= limits.line_size and len(block) <= limits.line_size
        whole = short and end >= 0
        fields = before.fields.again(block) if before and whole else None
        if not (fields or (whole and self._plain(block))):
            scan = self._scan = self._scan or HeadScan(limits)
            end = scan.feed(data) - 4
            if end < 0:
                return None
            self._scan = None
            line_end = data.find(b"\r\n", scan.start)
            data = data[scan.start :]
            end, line_end = end - scan.start, line_end - scan.start
            fields, block = None, data[line_end + 2 : end + 4]
        self._forget()
        line = data[:line_end]
        head = before.again(line, fields) if before and fields else None
        if head is None:
            head = Head(line, request_line(line), fields or RequestFields(block))
        self._buffer = data[end + 4 :]
        if not self._fresh:  # most connections that idle have asked once: they need no memory
            self._head, self._raw = head, data[: end + 4]
        return head

    def _plain(self, block: bytes) -> bool:
        few = block.count(b"\r\n") - 1 <= self._gateway.limits.fields
        return few and FIELD_BLOCK(block) is not None

    def _forget(self) -> None:
        self._head = None
        self._raw = b""

    def _refuse(self, status: int, word: str) -> None:
        """Answer what is no request, and end the connection."""
        gateway = self._gateway
        request_id = gateway.new_request_id()
        self.transport.write(refusal(status, request_id, gateway.date, connection=_CLOSE))
        gateway.answered[status // 100] += 1
        gateway.refused[word] += 1
        who = asked_badly(self.peer.address, self._buffer)
        time = gateway.log.now()
        gateway.log.add(entry(time, request_id, who, status, 0, 0, 0.0, b"", b'""', reason=word))
        self._end(sending=True)

    # --- flow and end ---

    def _hold(self, *, ahead: bool | None = None, upstream: bool | None = None) -> None:
        before = self._ahead_held or self._upstream_held
        if ahead is not None:
            self._ahead_held = ahead
        if upstream is not None:
            self._upstream_held = upstream
        held = self._ahead_held or self._upstream_held
        if held != before and not self.transport.is_closing():
            self.transport.pause_reading() if held else self.transport.resume_reading()

    def _end(self, *, sending: bool = False) -> None:
        """Close when the client has read what was written. Closing at once on a client that is
        still `sending` would reset the connection and take the answer with it (RFC 9112 section
        9.6); TLS cannot close one side alone."""
        self._closing = True
        self._buffer = b""
        self._forget()
        self._since = self._gateway.now
        self._hold(ahead=False, upstream=False)
        if self.transport.is_closing():
            return
        if self.transport.can_write_eof() and not self._eof:
            self.transport.write_eof()
        elif self._eof or not sending:
            self.transport.close()

    def tick(self, now: float) -> None:
        """End what takes too long. Called about once a second."""
        if self._passage is not None:
            self._passage.tick(now)
            return
        timeouts = self._gateway.timeouts
        waited = now - self._since
        if self._closing or self._write_blocked:
            self._tick_last(now, waited)
        elif self._gateway.draining and not self._buffer:
            self._end()
        elif self._buffer or self._fresh:
            if waited >= timeouts.head:
                self._refuse(408, "head-timeout")
        elif waited >= timeouts.keepalive:
            self._end()
        elif waited >= MEMO_IDLE:
            self._forget()

    def _tick_last(self, now: float, waited: float) -> None:
        """Let the client read what was written, then let it see that, and be gone."""
        timeouts = self._gateway.timeouts
        if self.transport.get_write_buffer_size():
            self._unread = True
            if waited >= timeouts.stalled_reader:
                self.transport.abort()
        elif self._unread:
            self._unread = False
            self._since = now
        elif waited >= timeouts.linger:
            self.transport.abort()


_CLOSE = b"Connection: close\r\n"


def peer_of(
    transport: asyncio.BaseTransport, scheme: str, is_trusted: Callable[[str], bool]
) -> Peer:
    """Who is at the other end."""
    name = transport.get_extra_info("peername")
    # An IPv4 client of a listener on [::] is that client, not another one.
    address = name[0].removeprefix("::ffff:") if isinstance(name, tuple) else LOCAL
    return Peer(address, scheme, is_trusted(address))
