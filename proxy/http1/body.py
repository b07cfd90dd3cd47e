"""A message's body as it arrives: where it ends, by which framing (RFC 9112 section 6.3). Pure.

One reader serves requests and responses: a length, chunks, or everything until the connection ends.
Nothing is buffered: what is read goes on at once.
"""

from __future__ import annotations

from typing import Final

from proxy.http1.chunked import LAST_CHUNK, ChunkedDecoder, chunk
from proxy.http1.faults import Fault, Malformed
from proxy.http1.fields import RequestFields


class BodyReader:
    """Finds the end of one body, in whatever pieces it arrives."""

    __slots__ = ("_decoder", "_left", "finished")

    def __init__(self, length: int | None, *, chunked: bool = False) -> None:
        """`length` in bytes. None, and not `chunked`: the body ends with the connection."""
        self._decoder = ChunkedDecoder() if chunked else None
        self._left = length
        self.finished = length == 0 and not chunked

    @property
    def until_close(self) -> bool:
        """Whether the end of the connection ends the body."""
        return self._left is None and self._decoder is None

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """(the part of the body in `data`, the rest). Raises `Malformed`.

        Once the body is `finished`, the rest is what follows the message. Before, it is to be fed
        again at the next turn.
        """
        decoder, left = self._decoder, self._left
        if decoder is not None:
            body, rest = decoder.feed(data)
            self.finished = decoder.finished
            return body, rest
        if left is None:
            return data, b""
        if len(data) < left:
            self._left = left - len(data)
            return data, b""
        self._left = 0
        self.finished = True
        return (data, b"") if len(data) == left else (data[:left], data[left:])


class RequestBody:
    """The body of a request on its way to the upstream: measured, bounded, and framed anew."""

    __slots__ = ("_chunked", "_length", "_limit", "_reader", "_since", "_until_then", "received")

    def __init__(self, fields: RequestFields, now: float) -> None:
        """`now` in monotonic seconds."""
        self._chunked = fields.chunked
        self._reader = BodyReader(fields.length or 0, chunked=fields.chunked)
        self._length = fields.length or 0
        self._limit: int | None = None
        self.received = 0
        self._since = now
        self._until_then = 0

    def bound(self, limit: int) -> bool:
        """From now on, more than `limit` bytes are malformed. False: its length says already that
        there will be more."""
        self._limit = limit
        return self._length <= limit

    @property
    def finished(self) -> bool:
        """Whether all of it has arrived."""
        return self._reader.finished

    def take(self, data: bytes) -> tuple[list[bytes], bytes]:
        """(what to send for the part of the body in `data`, the rest). Raises `Malformed`.

        Until the body is `finished`, the rest is to be given again at the next turn. A chunked body
        is chunked anew: extensions and trailers are dropped, and a body that is malformed never
        gets its last chunk.
        """
        body, rest = self._reader.feed(data)
        self.received += len(body)
        if self._limit is not None and self.received > self._limit:
            raise Malformed(Fault.BODY_SIZE)
        if not self._chunked:
            return [body], rest
        pieces = [*chunk(body)] if body else []
        if self._reader.finished:
            pieces.append(LAST_CHUNK)
        return pieces, rest

    def restart_clock(self, now: float) -> None:
        """Measure the rate from now on: so far, it was not the client that was slow."""
        self._since, self._until_then = now, self.received

    def too_slow(self, now: float, window: float, rate: float) -> bool:
        """Whether less than `rate` bytes a second arrived; False until `window` seconds have
        passed."""
        passed = now - self._since
        if passed < window:
            return False
        slow = self.received - self._until_then < rate * passed
        self.restart_clock(now)
        return slow


NO_BODY: Final = RequestBody(RequestFields(b"\r\n"), 0.0)
"""Of a request without one: nothing of it is ever received."""
