"""The upstream's side of an exchange: one connection, and how its answers are read.

A connection carries one request at a time, and what it says can only answer that one: a byte that
nobody asked for, before, between or behind answers, ends the connection. It is used again only if
both messages ended cleanly.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol, cast

from proxy.gateway.transport import reset
from proxy.http1.chunked import ChunkedDecoder
from proxy.http1.fields import ResponseFields
from proxy.http1.grammar import FIELD_BLOCK, Malformed, status_line

MAX_HEAD: Final = 64 * 1024
MAX_INTERIM: Final = 16
"""Interim answers before the final one. curl: no bound; Go net/http: 5 until 2024."""

_BARE_LINE_FEED: Final = re.compile(rb"(?<!\r)\n").search


class Answer(NamedTuple):
    """The head of an answer."""

    status_line: bytes
    """What follows the version in it."""
    status: int
    modern: bool
    """Whether its version is 1.1."""
    fields: ResponseFields
    bodiless: bool
    """Whether no body follows, whatever the fields say."""


class Carried(Protocol):
    """What a connection carries: an exchange, or the tunnel that it became."""

    head_only: bool
    """Whether the answer has no body whatever its fields say (RFC 9112 section 6.3)."""
    alone: bool
    """Whether nothing may follow it on the connection."""
    wants_upgrade: bytes | None
    """The protocol that the client offered to speak and may."""
    request_sent: bool

    def carried_by(self, upstream: UpstreamConnection) -> None:
        """A connection is there: write the request."""

    def interim(self, answer: Answer) -> None: ...
    def answer(self, answer: Answer, whole: bytes = b"") -> None:
        """The head of the final answer; `whole` is all of its body, where that has come too."""

    def answer_body(self, data: bytes) -> None: ...
    def answer_end(self) -> None: ...
    def switched(self, answer: Answer, rest: bytes) -> None:
        """101: from here on bytes go both ways, `rest` first."""

    def upstream_lost(self, status: int, word: str, *, unanswered: bool) -> None:
        """The connection is gone. `unanswered`: it was used before and gave no byte this time."""

    def upstream_eof(self) -> None: ...
    def upstream_blocked(self, blocked: bool) -> None:
        """Whether the upstream reads more slowly than it is written to."""


class Keeper(Protocol):
    """Who keeps connections: the pool."""

    def release(self, connection: UpstreamConnection) -> None: ...
    def lost(self, connection: UpstreamConnection) -> None: ...
    def closing(self, connection: UpstreamConnection, *, asked: bool = False) -> None: ...


class UpstreamConnection(asyncio.Protocol):
    """One connection to an upstream."""

    __slots__ = (
        "_answer",
        "_buffer",
        "_decoder",
        "_head_only",
        "_heard",
        "_held",
        "_interims",
        "_keep",
        "_later",
        "_left",
        "_lost",
        "_pool",
        "_raw",
        "_read",
        "_turn",
        "beneath",
        "carried",
        "idle_since",
        "transport",
        "used",
    )

    def __init__(self, pool: Keeper) -> None:
        self._pool = pool
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        self.beneath: asyncio.Transport | None = None
        """Over TLS, the connection as it is without: not read either while nothing is to be read,
        or its end would come through before what is still to be decrypted, which would be lost."""
        self.carried: Carried | None = None
        self.idle_since = 0.0
        self.used = False
        """Whether it has carried a request before this one."""
        self._buffer = b""
        self._raw = b""
        self._answer: Answer | None = None
        """The head of the answer before, in bytes and read: upstreams repeat themselves too."""
        self._decoder: ChunkedDecoder | None = None
        self._heard = self._held = self._keep = self._head_only = False
        self._left = self._interims = 0
        self._later = b""
        """Read, and left for the next turn."""
        self._turn: asyncio.Handle | None = None
        self._lost = False
        self._read: Callable[[bytes], None] = self._read_unasked

    # --- what the exchange does ---

    def carry(self, carried: Carried, head: bytes) -> None:
        """Send a request's head; what comes now answers it."""
        self.carried = carried
        self._head_only = carried.head_only
        self._heard = False
        self._interims = 0
        self._buffer = b""
        self._read = self._read_head
        self.transport.write(head)

    def discard(self) -> None:
        """End the connection at once: an unfinished request must never look complete."""
        self.carried = None
        self._read = self._read_unasked
        if not self._lost:  # its socket's number may be another's by now
            reset(self.transport)

    def finish(self) -> None:
        """End the connection once what was written is sent, which may not take for ever."""
        self.carried = None
        if not self.transport.is_closing():
            self.transport.close()
            self._pool.closing(self)

    def hold(self, held: bool) -> None:
        """Stop or go on reading: the client takes no more."""
        if held == self._held:
            return
        self._held = held
        if self._later:
            self._go_on()
        elif not self.transport.is_closing():
            self._pause() if held else self._resume()

    def _pause(self) -> None:
        self.transport.pause_reading()
        if self.beneath is not None:
            self.beneath.pause_reading()

    def _resume(self) -> None:
        if self.beneath is not None:
            self.beneath.resume_reading()
        self.transport.resume_reading()

    # --- what the event loop does ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._read(data)
        except Malformed as malformed:
            self._fail(502, f"upstream-{malformed.word}")

    def eof_received(self) -> bool:
        if self.carried is None:
            return False
        if self._read == self._read_tunnel:
            self.carried.upstream_eof()
            return self.transport.can_write_eof()  # TLS closes both sides at once
        if self._read == self._read_to_the_end:
            self._end(b"")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.lost(self)
        self._lost = True
        if self.carried is not None and not self._later:  # over TLS it may come before its turn
            self._fail(502, "upstream-closed")

    def pause_writing(self) -> None:
        if self.carried is not None:
            self.carried.upstream_blocked(True)

    def resume_writing(self) -> None:
        if self.carried is not None:
            self.carried.upstream_blocked(False)

    # --- reading an answer ---

    def _read_unasked(self, _data: bytes) -> None:
        self.discard()

    def _read_head(self, data: bytes) -> None:
        """Interim heads until a final one, which ends the reading of heads whatever follows it."""
        carried = self.carried
        self._heard = True
        seen = 0
        if self._buffer:
            seen = max(0, len(self._buffer) - 3)  # what was looked at: it may come byte by byte
            data = self._buffer + data
            self._buffer = b""
        answer = self._answer
        if answer is not None and not self._head_only and data.startswith(self._raw):
            self._final(answer, data[len(self._raw) :])
            return
        while data and self.carried is carried:
            end = data.find(b"\r\n\r\n", seen, MAX_HEAD)
            if end < 0:
                if len(data) >= MAX_HEAD or _BARE_LINE_FEED(data, seen):
                    raise Malformed(502, "head")
                self._buffer = data
                return
            line_end = data.find(b"\r\n")
            line = data[:line_end]
            parsed = status_line(line)
            if parsed is None:
                raise Malformed(502, "status-line")
            status, modern = parsed
            block = data[line_end + 2 : end + 4]
            fields = self._answer.fields.again(block) if self._answer else None
            if fields is None:
                if not FIELD_BLOCK(block):
                    raise Malformed(502, "field")
                fields = ResponseFields(block)
            bodiless = status < 200 or status in {204, 304} or self._head_only
            answer = Answer(line[8:], status, modern, fields, bodiless)
            raw, data = data[: end + 4], data[end + 4 :]
            seen = 0
            if status >= 200 or status == 101:
                if not self._head_only:
                    self._raw, self._answer = raw, answer
                self._final(answer, data)
                return
            self._interim(answer)

    def _interim(self, answer: Answer) -> None:
        self._interims += 1
        if self._interims > MAX_INTERIM or answer.fields.chunked or answer.fields.length:
            raise Malformed(502, "interim")
        assert self.carried is not None
        self.carried.interim(answer)

    def _final(self, answer: Answer, rest: bytes) -> None:
        """Act on the head of the answer; framing as RFC 9112 section 6.3 has it, in that order."""
        carried, fields, modern = self.carried, answer.fields, answer.modern
        assert carried is not None
        if answer.status == 101:
            self._switch(answer, rest)
            return
        if fields.chunked and not modern:
            raise Malformed(502, "transfer-encoding")
        if answer.status == 204 and (fields.chunked or fields.length):
            raise Malformed(502, "content-length")
        self._keep = not (fields.close or carried.alone) and (modern or fields.keep_alive)
        if answer.bodiless or fields.length == 0:
            carried.answer(answer)
            self._end(rest)
            return
        if fields.chunked:
            self._decoder = ChunkedDecoder()
            self._read = self._read_chunked
        elif fields.length is not None:
            if len(rest) >= fields.length:
                carried.answer(answer, rest[: fields.length])
                self._end(rest[fields.length :])
                return
            self._left = fields.length
            self._read = self._read_length
        else:
            self._keep = False
            self._read = self._read_to_the_end
        carried.answer(answer)
        if rest and self.carried is carried:
            self._read(rest)

    def _switch(self, answer: Answer, rest: bytes) -> None:
        carried = self.carried
        assert carried is not None
        if carried.wants_upgrade is None or answer.fields.upgrade != carried.wants_upgrade:
            raise Malformed(502, "upgrade")
        self._keep = False
        self._read = self._read_tunnel
        carried.switched(answer, rest)

    def _read_length(self, data: bytes) -> None:
        carried = self.carried
        assert carried is not None
        left = self._left
        if len(data) < left:
            self._left = left - len(data)
            carried.answer_body(data)
            return
        self._left = 0
        carried.answer_body(data[:left] if len(data) > left else data)
        self._end(data[left:])

    def _read_chunked(self, data: bytes) -> None:
        if self._later:
            self._later += data
            return
        carried, decoder = self.carried, self._decoder
        assert carried is not None
        assert decoder is not None
        body, rest = decoder.feed(data)
        if body:
            carried.answer_body(body)
        if decoder.finished:
            self._end(rest)
        elif rest and self.carried is carried:
            self._wait_a_turn(rest)

    def _wait_a_turn(self, rest: bytes) -> None:
        """Go on with `rest` once others have had their turn; until then nothing more is read."""
        self._later = rest
        if not self._held and not self.transport.is_closing():
            self._pause()
        self._go_on()

    def _go_on(self) -> None:
        if not self._held and self._turn is None:
            self._turn = asyncio.get_running_loop().call_soon(self._take_turn)

    def _take_turn(self) -> None:
        self._turn = None
        if self._held or self.carried is None:
            return  # held: its end begins the next turn
        data, self._later = self._later, b""
        self.data_received(data)
        if self._later:
            return
        if self._lost and self.carried is not None:
            self._fail(502, "upstream-closed")
        elif not self.transport.is_closing():
            self._pause() if self._held else self._resume()

    def _read_to_the_end(self, data: bytes) -> None:
        assert self.carried is not None
        self.carried.answer_body(data)

    def _read_tunnel(self, data: bytes) -> None:
        assert self.carried is not None
        self.carried.answer_body(data)

    def _end(self, rest: bytes) -> None:
        """The answer is complete. Bytes behind it answer nothing: the connection is not kept."""
        carried, self.carried = self.carried, None
        self._decoder = None
        self._read = self._read_unasked
        if carried is None:  # it left while its answer was being handed over
            self.discard()
            return
        if self._lost:
            pass  # the pool knows
        elif self._keep and not rest and carried.request_sent:
            if self._held:
                self.hold(False)  # whoever waits in the pool must hear the other side close
            self._pool.release(self)  # first: what the client asks next may go out on it
        elif carried.alone and not rest and carried.request_sent:
            self.hold(False)
            self._pool.closing(self, asked=True)  # who closes first keeps the port
        else:
            self.discard()
        carried.answer_end()

    def _fail(self, status: int, word: str) -> None:
        carried = self.carried
        unanswered = self.used and not self._heard
        self.discard()
        if carried is not None:
            carried.upstream_lost(status, word, unanswered=unanswered)
